"""The worker's side: calls a WSGI application (PEP 3333) for one request after the other.

The front end evaluates this file in its template, where the application is imported too, and runs `serve` in each fork. `link.rs`
says what goes through the socket.
"""

import io
import json
import signal
import struct
import sys
import traceback

HEADER = struct.Struct(">IB")
# The longest piece of a body in one frame.
CHUNK = 64 * 1024
REQUEST, DATA, END, CUT, TAKEN, HEAD, FAILED = b"RDECTHF"

# Terminals send SIGINT to all of the program's processes, service managers SIGTERM; when a worker ends is for the front end to
# say. A function, and not SIG_IGN, which programs that the application starts would inherit.
for number in signal.SIGINT, signal.SIGTERM:
    signal.signal(number, lambda *_: None)


def load(module, path):
    """Runs in the template, once: finds the application in a module that has been imported."""
    global application
    application = sys.modules[module.decode()]
    for attribute in path.decode().split("."):
        application = getattr(application, attribute)
    if not callable(application):
        raise TypeError(f"{path.decode()} is no application: it cannot be called")


def serve(socket):
    """Runs in each worker, until the front end closes the socket."""
    stream = socket.makefile("rb")
    while True:
        kind, length = read_header(stream)
        if kind is None:
            return
        if kind != REQUEST:
            raise ValueError(f"a frame of the kind {kind} where a request begins")
        environ = json.loads(stream.read(length))
        # Whoever ends before this has done nothing, and another worker gets the request.
        send(socket, TAKEN)
        body = Body(stream)
        answer(Response(socket), environ, body)
        # The rest of it stands in front of the next request.
        body.skip()


def answer(response, environ, body):
    """Calls the application. Its errors cost it this one request; if it exits, the worker does."""
    environ.update(
        {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BufferedReader(body, CHUNK),
            # The body has an end, also where no CONTENT_LENGTH says where.
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
    )
    try:
        chunks = application(environ, response.start)
        try:
            is_whole = hasattr(chunks, "__len__") and len(chunks) == 1
            for chunk in chunks:
                if is_whole:
                    response.set_length(chunk)
                response.write(chunk)
            response.send_head()
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        response.finish(END)
    except Exception:
        traceback.print_exc(file=sys.stderr)
        response.finish(FAILED)


class Response:
    """What the application answers: sent as it comes, its head with the first octets of the body."""

    def __init__(self, socket):
        self.socket = socket
        self.head = None
        self.is_sent = self.is_finished = False

    def start(self, status, headers, exc_info=None):
        """The `start_response` of the application."""
        if exc_info:
            try:
                if self.is_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                # It refers to this frame.
                exc_info = None
        elif self.head:
            raise RuntimeError("start_response has been called before, and there is no exc_info")
        for text in status, *(text for field in headers for text in field):
            # An error here names the application's line.
            text.encode("latin-1")
        self.head = status, list(headers)
        return self.write

    def set_length(self, body):
        """If nobody has said it, and all of the body is this."""
        if self.head and not self.is_sent and body and all(name.lower() != "content-length" for name, _ in self.head[1]):
            self.head[1].append(("Content-Length", str(len(body))))

    def send_head(self):
        if self.head is None:
            raise RuntimeError("the application has not called start_response")
        if not self.is_sent:
            self.is_sent = True
            send(self.socket, HEAD, json.dumps(self.head).encode())

    def write(self, data):
        """Also what `start_response` returns, for applications that do not return their body."""
        if self.is_finished:
            raise RuntimeError("the response has been finished")
        if not isinstance(data, bytes):
            raise TypeError(f"a body is made of bytes, and not of {type(data).__name__}")
        if data:
            self.send_head()
        for start in range(0, len(data), CHUNK):
            send(self.socket, DATA, data[start : start + CHUNK])

    def finish(self, kind):
        self.is_finished = True
        send(self.socket, kind)


class Body(io.RawIOBase):
    """The body of a request, which comes while it is read. `wsgi.input` is this with a buffer."""

    def __init__(self, stream):
        self.stream = stream
        # The kind of the last frame, and how much of it has not been read.
        self.last, self.left = DATA, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        if not self.left:
            self.next_frame()
        count = self.stream.readinto(memoryview(buffer)[: self.left])
        self.left -= count
        # The socket may end in the middle of a frame too.
        if count == 0 and (self.left or self.last != END):
            raise ConnectionAbortedError("the client has gone before the end of the body")
        return count

    def next_frame(self):
        if self.last == DATA:
            self.last, self.left = read_header(self.stream)

    def skip(self):
        while self.last == DATA:
            self.left -= len(self.stream.read(self.left))
            self.next_frame()


def read_header(stream):
    """The kind of a frame and the length of what follows; the kind is None at the end of the socket."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None, 0
    length, kind = HEADER.unpack(header)
    return kind, length - 1


def send(socket, kind, payload=b""):
    socket.sendall(HEADER.pack(len(payload) + 1, kind) + payload)
