"""The functions in Python. See functions.rs for what each does."""

import atexit
import os
import struct
import subprocess
import sys
import threading
import time

LINGER = 60
kept = []


def identity(file):
    info = os.fstat(file.fileno())
    return f"{info.st_mode >> 12:o}:{info.st_dev}:{info.st_ino}"


def tell(socket, kind, octets):
    socket.sendall(kind + struct.pack("<I", len(octets)) + octets)


def note(path, text):
    path = os.fsdecode(path)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w") as file:
        file.write(text)
    os.rename(temporary, path)


def read_all(socket):
    parts = []
    while part := socket.recv(65536):
        parts.append(part)
    return b"".join(parts)


def report(socket, *inputs):
    for one in inputs:
        if isinstance(one, bytes):
            tell(socket, b"a", one)
        else:
            tell(socket, b"f", identity(one).encode())


def park(socket, *_):
    socket.sendall(f"{identity(socket)}\n".encode())
    code = socket.recv(1)
    return code[0] if code else 0


def exit_with(socket, code):
    return int(code)


def fail(socket, message):
    raise ValueError(message.decode())


def kill_self(socket, number):
    os.kill(os.getpid(), int(number))
    time.sleep(LINGER)


def wait_for_eof(socket, witness):
    note(witness, f"eof {read_all(socket).decode()}")


def go_on_after_eof(socket, witness):
    wait_for_eof(socket, witness)
    time.sleep(LINGER)


def shout(socket):
    socket.sendall(read_all(socket).upper())


def touch(socket, witness):
    note(witness, "entered")


def leave_a_child(socket):
    subprocess.Popen(["cat"], stdin=socket, stdout=subprocess.DEVNULL)
    os._exit(7)


def two_inputs(socket, first, second):
    socket.sendall(first + b" " + second)


def print_half(socket, text):
    print(text.decode(), end="")


def state(socket):
    socket.sendall(b",".join(kept))


def prepare(*inputs):
    kept.extend(inputs)


def prepare_two(first, second):
    kept.extend((first, second))


def fail_preparation(message):
    raise ValueError(message.decode())


def exit_in_preparation(code):
    raise SystemExit(int(code))


def prepare_for_ever(witness):
    note(witness, str(os.getpid()))
    time.sleep(LINGER)


def touch_in_preparation(witness):
    note(witness, "called")


def leave_a_thread():
    threading.Thread(target=time.sleep, args=(LINGER,), name="left behind", daemon=True).start()


def print_half_in_preparation(text):
    print(text.decode(), end="")


def at_exit(socket, witness):
    atexit.register(note, witness, "at exit")
    sys.exit(4)


def exit_here(socket):
    sys.exit(4)


def at_exit_in_preparation(witness):
    atexit.register(note, witness, "at exit")


def become_user(user):
    os.setuid(int(user))
