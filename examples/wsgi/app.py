"""An application that shows what can happen to a worker."""

import os
import signal
import time
from urllib.parse import parse_qs

# What requests leave behind in a worker; see /grow.
kept = []


def application(environ, start_response):
    page = PAGES.get(environ["PATH_INFO"])
    if page is None:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [f"nothing at {environ['PATH_INFO']}\n".encode("latin-1")]
    return page(environ, start_response)


def text(start_response, content):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [content.encode()]


def number(environ, name, default):
    return float(parse_qs(environ.get("QUERY_STRING", "")).get(name, [default])[0])


def hello(_environ, start_response):
    return text(start_response, f"hello from worker {os.getpid()}\n")


def show_environ(environ, start_response):
    lines = (f"{name}={value}\n" for name, value in sorted(environ.items()) if isinstance(value, str))
    # These strings are octets, each as the character of its number.
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["".join(lines).encode("latin-1")]


def echo(environ, start_response):
    """As it comes, so that no body is too large."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return iter(lambda: environ["wsgi.input"].read(16 * 1024), b"")


def sleep(environ, start_response):
    """`/sleep?seconds=0.5`, and an hour if nothing is said: it hangs."""
    time.sleep(number(environ, "seconds", 3600))
    return text(start_response, f"slept in worker {os.getpid()}\n")


def crash(_environ, _start_response):
    os.kill(os.getpid(), signal.SIGSEGV)


def end(_environ, _start_response):
    os._exit(3)


def fail(_environ, _start_response):
    raise ValueError("this page always fails")


def fail_later(_environ, start_response):
    """Too late for another status: the connection is cut."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"half of the page\n"
    raise ValueError("this page fails in the middle")


def recover(_environ, start_response):
    """An error that the application handles itself."""
    import sys

    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        raise ValueError("handled")
    except ValueError:
        start_response("503 Come Again", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"something went wrong\n"]


def old(_environ, start_response):
    """An application that writes its body, as before WSGI."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written, ")
    return [b"and returned\n"]


def grow(_environ, start_response):
    """Keeps a megabyte for ever. `--requests` is for such applications."""
    kept.append(bytes(1_000_000))
    return text(start_response, f"worker {os.getpid()} keeps {len(kept)} MB\n")


PAGES = {
    "/": hello,
    "/environ": show_environ,
    "/echo": echo,
    "/sleep": sleep,
    "/crash": crash,
    "/end": end,
    "/fail": fail,
    "/fail-later": fail_later,
    "/recover": recover,
    "/old": old,
    "/grow": grow,
}
