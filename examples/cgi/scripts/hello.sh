#!/bin/sh
# Says hello, shows the environment, and gives the request's body back.
printf 'Content-Type: text/plain\n\n'
echo "Hello from a shell"
env | sort
echo
exec cat
