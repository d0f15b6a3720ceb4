"""Applications between which and the server the standard library's validator looks at everything."""

import sys
from wsgiref.validate import validator

closed = 0


def read(environ, start_response):
    """The body, read in all ways that there are, and written in both."""
    body = environ["wsgi.input"]
    lines = [body.readline(100), body.read(3), body.readlines(1)[0], *body]
    environ["wsgi.errors"].write("")
    environ["wsgi.errors"].writelines([""])
    environ["wsgi.errors"].flush()
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(repr(lines[:3]).encode())
    return [b" and ", repr(lines[3:]).encode()]


def handle(_environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        raise ValueError
    except ValueError:
        start_response("500 Handled", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"handled"]


class Closed:
    """Counts how often it was closed."""

    def __iter__(self):
        yield b""
        yield f"closed {closed} times".encode()

    def close(self):
        global closed
        closed += 1


def close(_environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closed()


def flags(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = "wsgi.version", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"
    return [repr([environ[name] for name in names]).encode()]


def wrong(_environ, start_response):
    """The control: this the validator does not let pass."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Status", "200 OK")])
    return [b""]


class Applications:
    """Applications may stand anywhere in a module."""

    checked = {f"/{page.__name__}": validator(page) for page in (read, handle, close, flags, wrong)}

    @staticmethod
    def serve(environ, start_response):
        return Applications.checked[environ["PATH_INFO"]](environ, start_response)
