#!/bin/sh
# Fails before it has said anything.
exit 3
