#!/usr/bin/env python3
# Says hello, shows the environment, and gives the request's body back.
import os
import shutil
import sys

print("Content-Type: text/plain\n")
print("Hello from Python")
for name in sorted(os.environ):
    print(f"{name}={os.environ[name]}")
print(flush=True)
shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)
