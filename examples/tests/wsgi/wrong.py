"""An application that does what none may do."""

import os
import time


def application(environ, start_response):
    path, text = environ["PATH_INFO"], [("Content-Type", "text/plain")]
    if path == "/fork":
        # The child holds all that the worker has, its socket too.
        if os.fork() == 0:
            time.sleep(2)
        os._exit(3)
    status, headers = {
        "/status": ("20 Good", text),
        "/name": ("200 OK", [("A B", "c")]),
        "/value": ("200 OK", [("A", "b\r\nC: d")]),
        "/wide": ("200 OK", [("A", "\u20ac")]),
        "/connection": ("200 OK", [*text, ("Upgrade", "other/1"), ("Connection", "upgrade")]),
    }.get(path, ("200 OK", text))
    if path != "/never":
        start_response(status, headers)
    if path == "/twice":
        start_response(status, headers)
    return ["fine" if path == "/text" else b"fine"]
