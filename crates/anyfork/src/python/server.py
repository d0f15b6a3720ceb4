"""The server in a Python interpreter that anyfork started: collects orders on its socket, then runs a function or becomes a
template, whose forks collect orders again. PROTOCOL.md says what goes through the socket.

The order of this file: the system, frames, failures, inputs, functions, a process that is prepared, a worker, a template.
"""

# The C modules: `signal` makes an enum member of each signal of a mask, in each fork; `socket` may be another one by then (gevent).
import _signal
import _socket
import atexit
import errno
import fcntl
import gc
import importlib
import io
import os
import select
import socket
import stat
import struct
import sys
import time

try:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
except (ImportError, OSError):
    libc = None

VERSION = 5

# As they are now: a program may put others into these modules in its preparation (gevent's monkey patches), which have threads, descriptors or children of their own.
fork_process, make_poll, sleep, clock, exit_now = os.fork, select.poll, time.sleep, time.monotonic, os._exit
wait_for, wait_id, send_signal = os.waitpid, os.waitid, os.kill


class Order:
    HELLO, ARGUMENT, SEALED_ARGUMENT, DESCRIPTORS, CALL, NAME, BUNDLE, BIND, TEMPLATE, RUN = range(1, 11)
    FORK, EXEC, SIGNAL, MARK, OWN, END, BECOME, SPAWN, CONTEXT, LOAD, EVAL, SPARES = range(11, 23)


class Reply:
    READY, STARTED, FAILED, EXITED, NOT_FORKED, SPARE = range(129, 135)


class Role:
    FREE, BOUND, PREPARING, TEMPLATE, WATCHED = range(5)
    # Forked in advance, and nobody has said yet what it has become. Never travels.
    SPARE = 5


class Kind:
    """Of a failure."""

    SYSTEM, UNKNOWN_ENTRY, AMBIGUOUS_ENTRY, INPUTS, PREPARATION, THREADS, PROTOCOL, OTHER_IMAGE, LOAD = range(9)


# The system


PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36
WAITID = {"x86_64": 247, "aarch64": 95, "riscv64": 95}.get(os.uname().machine) if sys.maxsize > 1 << 32 else None
# siginfo_t: code, child, status. struct rusage: user and system time, peak, three that Linux leaves 0, minor and major faults.
SIGINFO = struct.Struct("8xi4xi4xi")
RUSAGE = struct.Struct("10q")

if libc:
    prctl_number, prctl_pointer, raw_call = libc["prctl"], libc["prctl"], libc["syscall"]
    prctl_number.argtypes = (ctypes.c_int,) + (ctypes.c_ulong,) * 4
    prctl_pointer.argtypes = (ctypes.c_int, ctypes.c_char_p) + (ctypes.c_ulong,) * 3
    raw_call.argtypes = (ctypes.c_long,) * 3 + (ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p)
    raw_call.restype = ctypes.c_long
    siginfo, rusage = ctypes.create_string_buffer(128), ctypes.create_string_buffer(144)


def prctl(option, value):
    """Does nothing without ctypes."""
    if libc and prctl_number(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def set_death_signal(number):
    """What is sent to this process when its parent ends; 0: nothing."""
    try:
        prctl(PR_SET_PDEATHSIG, number)
    except OSError:
        # Then its end is seen on sockets and pidfds alone.
        pass


def set_name(name):
    """The name that `ps` shows."""
    if libc:
        prctl_pointer(PR_SET_NAME, name.encode("utf-8", "replace")[:15], 0, 0, 0)


def flush_output():
    """What cannot be written is lost in every other program as well."""
    for stream in sys.stdout, sys.stderr:
        try:
            stream.flush()
        except Exception:
            pass
    if libc:
        libc.fflush(None)


def ended_child():
    """Pid, wait status and usage of a child that has ended, which stays a zombie; or None."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    usage = (0,) * 10
    if libc and WAITID:
        siginfo.raw = bytes(128)
        if raw_call(WAITID, os.P_ALL, 0, siginfo, options, rusage) != 0:
            return None
        code, pid, status = SIGINFO.unpack_from(siginfo)
        usage = RUSAGE.unpack_from(rusage)
    else:
        try:
            result = wait_id(os.P_ALL, 0, options)
        except ChildProcessError:
            return None
        code, pid, status = (result.si_code, result.si_pid, result.si_status) if result else (0, 0, 0)
    if pid == 0:
        return None
    wait_status = {os.CLD_EXITED: (status & 0xFF) << 8, os.CLD_DUMPED: status | 0x80}.get(code, status)
    user, system = usage[0] * 1_000_000 + usage[1], usage[2] * 1_000_000 + usage[3]
    return pid, wait_status, (user, system, usage[4], usage[8], usage[9])


def is_single():
    """Whether this process has one thread: its directory has a link for each, beside the two that every directory has."""
    try:
        return os.stat("/proc/self/task").st_nlink == 3
    except OSError:
        threading = sys.modules.get("threading")
        return threading is None or threading.active_count() == 1


def thread_names():
    """The names of all threads, and whether all are Python's."""
    threading = sys.modules.get("threading")
    known = {thread.native_id: thread.name for thread in threading.enumerate()} if threading else {}
    known[os.getpid()] = "MainThread"
    names, all_known = [], True
    for task in sorted(map(int, os.listdir("/proc/self/task"))):
        if task in known:
            names.append(f'"{known[task]}" (Python)')
            continue
        all_known = False
        try:
            with open(f"/proc/self/task/{task}/comm", errors="replace") as comm:
                names.append(f'"{comm.read().rstrip()}"')
        except OSError:
            names.append("one that has just ended")
    return names, all_known


def has_threads(step):
    try:
        names, all_known = thread_names()
    except OSError:
        names, all_known = [], True
    who = f"{len(names)} threads: {', '.join(names)}" if names else "more than one thread"
    remedy = "end threads in the preparation, or start them in the workers"
    if not all_known:
        remedy += (
            "; those that are not Python's are of a C library, for instance OpenBLAS's: set OPENBLAS_NUM_THREADS=1"
            " (OMP_NUM_THREADS=1 for OpenMP) in the interpreter's environment"
        )
    message = f"it has {who}; a fork would copy one of them and the locks of all: {remedy}"
    return Failure(Kind.THREADS, step, "", message)


# Frames


HEADER = struct.Struct("<IHH")
MAX_PAYLOAD = 1 << 20
MAX_TEXT = 64 * 1024
NEAR, CHUNK = 4096, 64 * 1024
DESCRIPTORS_PER_MESSAGE = 253
CONTROL = socket.CMSG_SPACE(DESCRIPTORS_PER_MESSAGE * 4)
SOME, NOTHING, LATER, GONE = range(4)
# Trying again can help: too many descriptors of this user are under way (unix(7)), or the kernel has no memory for a message now.
JAMS = errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM
# How often reports and orders are tried again then, in milliseconds.
JAMMED = 10
# How long a reply may wait for that, in milliseconds.
PATIENCE = 500
NONE, ROLE, ANY = struct.Struct(""), struct.Struct("<QB"), 0xFFFF

# Of each order: the fields of fixed size, whether octets follow them, the least and the most descriptors.
ORDERS = {
    Order.HELLO: (struct.Struct("<H16sQIB"), True, 0, 1),
    Order.ARGUMENT: (NONE, True, 0, 0),
    Order.SEALED_ARGUMENT: (NONE, False, 1, 1),
    Order.DESCRIPTORS: (NONE, False, 1, ANY),
    Order.CALL: (NONE, True, 0, ANY),
    Order.NAME: (NONE, True, 0, 0),
    Order.BUNDLE: (NONE, True, 1, 1),
    Order.BIND: (NONE, False, 0, 0),
    Order.TEMPLATE: (NONE, False, 0, 0),
    Order.RUN: (NONE, True, 0, 0),
    Order.FORK: (ROLE, False, 1, 1),
    Order.EXEC: (struct.Struct("<QB16sB"), True, 1, 1),
    Order.SIGNAL: (struct.Struct("<QI"), False, 0, 0),
    Order.MARK: (ROLE, False, 0, 0),
    Order.OWN: (struct.Struct("<I"), False, 0, 1),
    Order.END: (NONE, False, 0, 0),
    Order.BECOME: (NONE, True, 0, ANY),
    Order.SPAWN: (ROLE, True, 1, ANY),
    Order.CONTEXT: (NONE, True, 0, 0),
    Order.LOAD: (NONE, True, 0, 0),
    Order.EVAL: (NONE, True, 0, ANY),
    Order.SPARES: (struct.Struct("<QII"), False, 0, 0),
}


class Malformed(Exception):
    """What came is no frame of this protocol."""


class Inbox:
    """What came and was not used yet."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.octets = bytearray()
        self.used = 0
        self.descriptors = []
        # The last read has lost some, which would stand behind those.
        self.has_lost = False
        # An earlier read has lost some of the frame that is not whole yet.
        self.is_cut = False

    def fill(self, from_socket, flags=0):
        """Receives once. All whole frames have been taken before."""
        if self.has_lost:
            self.has_lost, self.is_cut = False, True
        if self.is_cut:
            self.close_descriptors()
        del self.octets[: self.used]
        self.used = 0
        here, room = len(self.octets), NEAR
        if here >= HEADER.size:
            room = max(min(HEADER.unpack_from(self.octets)[0], MAX_PAYLOAD) + HEADER.size - here, NEAR)
        try:
            flags |= socket.MSG_CMSG_CLOEXEC
            octets, control, flags, _ = from_socket.recvmsg(min(room, CHUNK), CONTROL, flags)
        except BlockingIOError:
            return NOTHING
        except ConnectionResetError:
            # The other end was closed with octets unread: it is gone all the same.
            return GONE
        except OSError as error:
            if error.errno not in JAMS:
                raise
            # The socket is readable all the time.
            sleep(JAMMED / 1000)
            return LATER
        came = []
        for level, kind, content in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                came += struct.unpack(f"{len(content) // 4}i", content[: len(content) // 4 * 4])
        if flags & socket.MSG_CTRUNC:
            self.has_lost = True
            close_all(came)
        else:
            self.descriptors += map(above_stdio, came)
        self.octets += octets
        return SOME if octets else GONE

    def next(self):
        """The next whole frame: kind, payload, how many descriptors it says it has, those, whether they were cut off."""
        if len(self.octets) - self.used < HEADER.size:
            return None
        length, kind, count = HEADER.unpack_from(self.octets, self.used)
        if length > MAX_PAYLOAD:
            raise Malformed("a frame longer than the limit")
        start = self.used + HEADER.size
        if len(self.octets) < start + length:
            return None
        self.used = start + length
        lost = self.loses(count)
        if not lost and count > len(self.descriptors):
            raise Malformed("a frame whose descriptors did not come")
        descriptors = [] if lost else self.descriptors[:count]
        del self.descriptors[: len(descriptors)]
        return kind, bytes(self.octets[start : self.used]), count, descriptors, lost

    def loses(self, count):
        """Whether the frame that was taken just now is one that has lost descriptors: `channel/inbox.rs` says why."""
        if count > 0 and self.is_cut:
            self.is_cut = False
            # What the last read brought or lost is another frame's if it went beyond the end of this one.
            if self.used == len(self.octets):
                self.close_descriptors()
                self.has_lost = False
            return True
        if self.has_lost and count > len(self.descriptors):
            self.has_lost = False
            self.close_descriptors()
            return True
        return False

    def close_descriptors(self):
        close_all(self.descriptors)
        self.descriptors = []

    def insert(self, frames):
        """Puts frames in front of everything that came so far."""
        self.octets[: self.used] = frames
        self.used = 0

    def is_empty(self):
        return self.used == len(self.octets) and not self.descriptors


def parse(kind, payload, count):
    """The fields of fixed size of an order, and the octets behind them."""
    if kind not in ORDERS:
        raise Malformed("an unknown order")
    fields, has_rest, least, most = ORDERS[kind]
    if len(payload) < fields.size:
        raise Malformed("a field is cut off")
    if len(payload) > fields.size and not has_rest:
        raise Malformed("trailing bytes in a frame")
    if not least <= count <= most:
        raise Malformed("an order with the wrong number of descriptors")
    values = fields.unpack_from(payload)
    if kind in (Order.FORK, Order.EXEC, Order.MARK, Order.SPAWN) and values[1] > Role.WATCHED:
        raise Malformed("an unknown role")
    return values, payload[fields.size :]


def split_counted(octets):
    """Octets behind their length, and what is behind them."""
    length = int.from_bytes(octets[:4], "little")
    if len(octets) < 4 + length:
        raise Malformed("a field is cut off")
    return octets[4 : 4 + length], octets[4 + length :]


def split_arguments(octets, descriptors):
    """The arguments of a call or an eval."""
    arguments = []
    while octets:
        if octets[0] > 1:
            raise Malformed("an unknown kind of argument")
        argument, octets = split_counted(octets[1:]) if octets[0] == 0 else (None, octets[1:])
        arguments.append(argument)
    if arguments.count(None) != len(descriptors):
        raise Malformed("an order with the wrong number of descriptors")
    files = iter(descriptors)
    return [read_sealed(next(files)) if argument is None else argument for argument in arguments]


def close_all(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)


def above_stdio(descriptor):
    """Not 0, 1 or 2, where a program that closed them still writes its output, if there is one left above."""
    if descriptor > 2:
        return descriptor
    try:
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:
        return descriptor
    os.close(descriptor)
    return moved


def rights_of(descriptors):
    """What makes a message carry them."""
    packed = struct.pack(f"{len(descriptors)}i", *descriptors)
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)] if descriptors else []


def announce(to, kind):
    """Sends the one reply of a process, with its pidfd. False: nobody waits for it any more."""
    pid = os.getpid()
    try:
        pidfd = [os.pidfd_open(pid)]
    except (OSError, AttributeError):
        pidfd = []
    rights = rights_of(pidfd)
    # Until it can be sent, or else without one.
    for patience in range(PATIENCE, -1, -1):
        if patience == 0:
            rights = []
        reply = HEADER.pack(4, kind, len(rights)) + pid.to_bytes(4, "little")
        try:
            to.sendmsg([reply], rights, socket.MSG_NOSIGNAL)
            break
        except OSError as error:
            if error.errno not in JAMS or patience == 0:
                return False
        sleep(0.001)
    close_all(pidfd)
    return True


# Failures


class Failure(Exception):
    """Why this process ends, or why one request failed."""

    def __init__(self, kind, step, about, message, code=0):
        super().__init__(message)
        self.kind, self.code, self.texts = kind, code, (step, about, message)

    @classmethod
    def system(cls, step, code):
        return cls(Kind.SYSTEM, step, "", "", code or 0)

    def frame(self):
        payload = struct.pack("<BI", self.kind, self.code)
        for text in self.texts:
            octets = text.encode("utf-8", "replace")
            if len(octets) > MAX_TEXT:
                octets = octets[:MAX_TEXT].decode("utf-8", "ignore").encode()
            payload += len(octets).to_bytes(4, "little") + octets
        return HEADER.pack(len(payload), Reply.FAILED, 0) + payload

    def send(self, to, flags=0):
        octets, patience = self.frame(), PATIENCE
        while octets:
            try:
                octets = octets[to.send(octets, flags | socket.MSG_NOSIGNAL) :]
            except OSError as error:
                # If nobody is there to hear it, there is nobody to tell.
                if error.errno not in JAMS or patience == 0:
                    return
                sleep(0.001)
                patience -= 1


def describe_briefly(error):
    """Also if it cannot say what it is."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def not_understood(what):
    return Failure(Kind.PROTOCOL, "follow orders", "", what)


# The sources of evaluated code, until somebody makes a traceback.
sources = {}
OUR_FRAMES = (
    "<anyfork>",
    "<frozen importlib._bootstrap>",
    "<frozen importlib._bootstrap_external>",
    importlib.__file__,
)


def register_sources():
    linecache = import_own("linecache")

    for name, source in sources.items():
        text = source.decode("utf-8", "replace")
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    sources.clear()


def without_our_frames(error):
    """Its traceback as `python3 script` would show it."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename in OUR_FRAMES:
        trace = trace.tb_next
    return trace


def describe_error(error):
    traceback = import_own("traceback")

    register_sources()
    return "".join(traceback.format_exception(type(error), error, without_our_frames(error))).rstrip("\n")


def preparation_failure(step, about, error):
    if isinstance(error, SystemExit):
        return Failure(Kind.PREPARATION, step, about, f"it exited: {code_of(error)}")
    return Failure(Kind.PREPARATION, step, about, describe_error(error))


def code_of(error):
    try:
        return str(error.code or 0)
    except Exception:
        return f"with a {type(error.code).__name__}"


def import_failure(name, error):
    if isinstance(error, SystemExit):
        return preparation_failure("import", name, error)
    if is_missing(name, error):
        return Failure(Kind.LOAD, "import", name, str(error), errno.ENOENT)
    return Failure(Kind.LOAD, "import", name, describe_error(error))


def is_missing(name, error):
    """Whether the module itself was not found, and not one that it imports."""
    return isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}.")


# Inputs: an argument is bytes, a descriptor is an int until the function is run.


SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Descriptor:
    """A descriptor that is neither a socket nor a file that can be read or written."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def fileno(self):
        """Its number, or -1 when it is closed."""
        return self.descriptor

    def detach(self):
        """Gives its number away: it is not closed any more."""
        descriptor, self.descriptor = self.descriptor, -1
        return descriptor

    def close(self):
        if self.descriptor >= 0:
            os.close(self.detach())

    __del__ = close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<Descriptor {self.descriptor}>"


def adopt_socket(descriptor):
    """As blocking as the descriptor is, whatever the default timeout is."""
    default = socket.getdefaulttimeout()
    if default is not None:
        socket.setdefaulttimeout(None)
    adopted = socket.socket(fileno=descriptor)
    if default is not None:
        socket.setdefaulttimeout(default)
    if not os.get_blocking(descriptor):
        adopted.setblocking(False)
    return adopted


def adopt(value):
    """What a function gets for an input."""
    if isinstance(value, bytes):
        return value
    if stat.S_ISSOCK(os.fstat(value).st_mode):
        return adopt_socket(value)
    flags = fcntl.fcntl(value, fcntl.F_GETFL)
    modes = {os.O_RDONLY: "r", os.O_WRONLY: "w", os.O_RDWR: "r+"}
    if not flags & os.O_PATH and flags & os.O_ACCMODE in modes:
        try:
            return io.FileIO(value, modes[flags & os.O_ACCMODE])
        except OSError:
            pass
    return Descriptor(value)


def read_sealed(descriptor):
    """The content of a memory file that nobody can change."""
    try:
        if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & SEALS != SEALS:
            raise Failure(Kind.SYSTEM, "map an argument", "", "not a sealed memory file")
        size, parts = os.fstat(descriptor).st_size, []
        while size > sum(map(len, parts)):
            parts.append(os.pread(descriptor, size, sum(map(len, parts))))
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except OSError as error:
        raise Failure.system("map an argument", error.errno) from None
    finally:
        os.close(descriptor)


def describe_input(value):
    if not isinstance(value, bytes):
        return f"a descriptor of {describe_descriptor(value)}"
    shown = value[:60].decode("latin-1").encode("unicode_escape").decode().replace('"', '\\"')
    return f'the argument b"{shown}"' + (f"... ({len(value)} bytes)" if len(value) > 60 else "")


def describe_descriptor(descriptor):
    kinds = {
        stat.S_IFREG: "a regular file",
        stat.S_IFDIR: "a directory",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(os.fstat(descriptor).st_mode), "a file of an unknown kind")


def check_inputs(function, name, inputs, has_socket):
    """Whether the inputs fit the parameters of a plain function; others find out when they are called."""
    if type(function) is not type(check_inputs):
        return
    code, total = function.__code__, len(inputs)
    positional = code.co_argcount
    keywords = code.co_varnames[positional : positional + code.co_kwonlyargcount]
    required = [keyword for keyword in keywords if keyword not in (function.__kwdefaults__ or ())]
    least = positional - len(function.__defaults__ or ())
    takes_any = code.co_flags & 0x04
    given = total + has_socket
    came = "no inputs were sent" if total == 0 else f"only {total} input{' was' if total == 1 else 's were'} sent"
    if required:
        wrong = f'input {total + 1}: expected keyword argument "{required[0]}", got nothing: inputs are positional'
    elif given < least:
        wrong = f'input {total + 1}: expected argument "{code.co_varnames[given]}", got nothing: {came}'
    elif given > positional and not takes_any:
        fit = positional - has_socket
        if fit < 0:
            wrong = "the socket: expected a parameter for it, got none: it is the first argument of the function"
        else:
            expected = "no input" if fit == 0 else f"{fit} input{'s' if fit > 1 else ''}"
            wrong = f"input {fit + 1}: expected {expected}, got {describe_input(inputs[fit])} of {total} in all"
    else:
        return
    raise Failure(Kind.INPUTS, "", name, wrong)


# Functions and modules


def import_own(name):
    """A module of the standard library, whatever the current directory has under its name."""
    path = sys.path[:]
    sys.path[:] = filter(None, path)
    try:
        return importlib.import_module(name)
    finally:
        sys.path[:] = path


def import_prefix(name):
    """The module of that name, or None if there is none."""
    if name in sys.modules:
        return sys.modules[name]
    try:
        return importlib.import_module(name)
    except BaseException as error:
        if not is_missing(name, error):
            raise import_failure(name, error) from None
        return None


def find(name):
    """The function of that name: module.function, or one of __main__ or of builtins."""
    *prefix, last = parts = name.split(".")
    if not prefix:
        main, builtins = sys.modules["__main__"], sys.modules["builtins"]
        in_builtins = not hasattr(main, name) and hasattr(builtins, name)
        function = step_into(builtins if in_builtins else main, "the module __main__", last, name)
    else:
        function, length = find_module(prefix if all(parts) else [])
        if function is None:
            raise Failure(Kind.UNKNOWN_ENTRY, "entry", name, f'no module named "{parts[0]}"')
        label = f"the module {'.'.join(parts[:length])}"
        for position in range(length, len(parts)):
            function = step_into(function, label, parts[position], name)
            label = ".".join(parts[: position + 1])
    if not callable(function):
        message = f"it is not callable: its type is {type(function).__name__}"
        raise Failure(Kind.UNKNOWN_ENTRY, "entry", name, message)
    return function


def find_module(parts):
    """The module of the longest prefix that can be imported, and its length."""
    for length in range(len(parts), 0, -1):
        module = import_prefix(".".join(parts[:length]))
        if module is not None:
            return module, length
    return None, 0


def step_into(owner, label, attribute, name):
    try:
        return getattr(owner, attribute)
    except AttributeError:
        pass
    except BaseException as error:
        raise import_failure(name, error) from None
    difflib = import_own("difflib")

    nearest = difflib.get_close_matches(attribute, dir(owner), 1)
    hint = f"; the nearest is {nearest[0]}" if nearest else ""
    raise Failure(Kind.UNKNOWN_ENTRY, "entry", name, f'{label} has no "{attribute}"{hint}')


def load(name, path):
    """Imports a module by its name, or executes the file at `path` as the module of that name."""
    try:
        if path:
            load_file(name, os.fsdecode(path))
        else:
            importlib.import_module(name)
    except FileNotFoundError as error:
        # Of the file itself; one that the module did not find is an error of the module.
        missing = without_our_frames(error) is None
        raise Failure(Kind.LOAD, "import", name, str(error), errno.ENOENT) if missing else import_failure(name, error)
    except BaseException as error:
        raise import_failure(name, error)


def load_file(name, path):
    util, machinery = import_own("importlib.util"), import_own("importlib.machinery")

    places = [path] if os.path.isdir(path) else None
    file = os.path.join(path, "__init__.py") if places else path
    os.stat(file)
    # A file whose name does not say what it is has Python's source.
    loader = None if file.endswith(tuple(machinery.all_suffixes())) else machinery.SourceFileLoader(name, file)
    spec = util.spec_from_file_location(name, file, loader=loader, submodule_search_locations=places)
    module = util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before
        raise


def call(name, arguments):
    function = find(name)
    check_inputs(function, name, arguments, has_socket=False)
    try:
        function(*arguments)
    except BaseException as error:
        raise preparation_failure("call", name, error)


evaluated = 0


def evaluate(arguments):
    """Executes code in __main__, where it finds its arguments as `args`."""
    global evaluated
    if not arguments:
        raise Malformed("an eval without code")
    evaluated += 1
    # Names of their own, or functions of earlier code would be shown with lines of later code.
    name = "<eval>" if evaluated == 1 else f"<eval {evaluated}>"
    code, *arguments = arguments
    sources[name] = code
    namespace = vars(sys.modules["__main__"])
    before = {"args": namespace["args"]} if "args" in namespace else {}
    namespace["args"] = arguments
    try:
        exec(compile(code, name, "exec", dont_inherit=True), namespace)
    except BaseException as error:
        raise preparation_failure("eval", "", error)
    finally:
        namespace.pop("args", None)
        namespace.update(before)
        # Others make tracebacks too, if somebody has imported what they need.
        if "linecache" in sys.modules:
            register_sources()


# A process that is prepared


BECOME_TEMPLATE = object()


class Process:
    """A process that collects orders."""

    def __init__(self, own_socket):
        self.socket = own_socket
        self.inbox = Inbox()
        self.inputs = []
        # The program on whose behalf it exists; its end ends the templates.
        self.owner = self.owner_pidfd = None
        self.name = self.context = None
        self.role = Role.PREPARING
        # The template that forked it, and its pid.
        self.template = self.parent = None

    def serve(self):
        """Does what the orders say, to the end of the process."""
        process = self
        while True:
            try:
                name = process.follow_orders()
                if name is not BECOME_TEMPLATE:
                    run(process, name)
                template = Template(process)
            except Failure as failure:
                process.fail(failure)
            except BaseException as error:
                # Of this file, or a signal handler of the program's.
                process.fail(Failure(Kind.PREPARATION, "prepare", "", describe_briefly(error)))
            # Comes back in each fork of the template, as a new process.
            process = template.serve()

    def fail(self, failure):
        """Tells the other end why this process ends, and ends it."""
        failure.send(self.socket)
        flush_output()
        exit_now(1)

    def follow_orders(self):
        """Follows orders until one says what to become. Ends the process when the other end is gone."""
        while True:
            try:
                frame = self.inbox.next()
                if frame is None:
                    self.receive()
                    continue
                become = self.follow(*frame)
                if become is not None:
                    return become
            except Malformed as error:
                raise not_understood(str(error)) from None

    def receive(self):
        try:
            filled = self.inbox.fill(self.socket)
        except OSError as error:
            raise Failure.system("receive orders", error.errno) from None
        if filled == GONE:
            # Nobody wants this process any more.
            flush_output()
            exit_now(0)

    def follow(self, kind, payload, count, descriptors, lost):
        if lost:
            raise Failure.system("receive descriptors in the new process", errno.EMFILE)
        values, octets = parse(kind, payload, count)
        if (kind == Order.HELLO) != (self.owner is None):
            raise Malformed("a greeting out of turn")
        if kind == Order.RUN:
            if not self.inbox.is_empty():
                raise Malformed("orders behind the last one")
            return octets.decode("utf-8", "replace")
        if kind == Order.TEMPLATE:
            return BECOME_TEMPLATE
        if kind == Order.ARGUMENT:
            self.inputs.append(octets)
        elif kind == Order.DESCRIPTORS:
            self.inputs += descriptors
        elif kind == Order.SEALED_ARGUMENT:
            self.inputs.append(read_sealed(*descriptors))
        elif kind == Order.BUNDLE:
            self.inbox.insert(read_sealed(*descriptors))
        elif kind == Order.NAME:
            self.name = octets.decode("utf-8", "replace")
        elif kind == Order.CONTEXT:
            self.context = octets
        elif kind in (Order.CALL, Order.EVAL, Order.LOAD):
            self.run_code(kind, octets, descriptors)
        elif kind == Order.BIND:
            self.bind()
        elif kind == Order.HELLO:
            self.greet(*values, descriptors)
        elif kind == Order.BECOME:
            raise not_understood("a Python template starts no programs")
        else:
            raise Malformed("an order for a template, to a process that is none")

    def run_code(self, kind, octets, descriptors):
        name, rest = (b"", octets) if kind == Order.EVAL else split_counted(octets)
        name = name.decode("utf-8", "replace")
        arguments = rest if kind == Order.LOAD else split_arguments(rest, descriptors)
        if self.is_abandoned():
            exit_now(0)
        if kind == Order.LOAD:
            load(name, arguments)
        elif kind == Order.CALL:
            call(name, arguments)
        else:
            evaluate(arguments)

    def is_abandoned(self):
        """Whether the other end has been closed or shut: orders that are still to be read have been given up."""
        poll = make_poll()
        poll.register(self.socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def greet(self, version, _nonce, _image, owner, adopts, descriptors):
        if version != VERSION:
            message = f"it speaks version {VERSION} of the protocol, the program version {version}"
            raise Failure(Kind.OTHER_IMAGE, "start", "python", message)
        self.owner = owner
        self.owner_pidfd = descriptors[0] if descriptors else None
        if adopts:
            try:
                prctl(PR_SET_CHILD_SUBREAPER, 1)
            except OSError as error:
                raise Failure.system("adopt orphans", error.errno) from None

    def bind(self):
        """Ends with its owner from now on."""
        if not libc:
            raise Failure.system("die_with_owner", errno.ENOSYS)
        self.role = Role.BOUND
        self.end_with_parent()

    def end_with_parent(self):
        """A parent that has ended since the fork has sent no signal."""
        set_death_signal(_signal.SIGKILL)
        if self.parent not in (None, os.getppid()):
            exit_now(0)


# A worker


def run(process, name):
    """Runs a function and ends the process with what it returned."""
    function, arguments = bind(process, name)
    set_name(process.name or name.rpartition(".")[2])
    if process.role == Role.PREPARING:
        set_death_signal(0)
    if process.owner_pidfd is not None:
        os.close(process.owner_pidfd)
    if process.context is not None:
        os.environb[b"TRACEPARENT"] = process.context
    # Who started this process may have given up by now: then the function is never entered.
    if not announce(process.socket, Reply.STARTED):
        exit_now(0)
    enter(function, arguments)


def bind(process, name):
    """The function, and an argument for each parameter."""
    function = find(name)
    check_inputs(function, name, process.inputs, has_socket=True)
    try:
        return function, [process.socket, *map(adopt, process.inputs)]
    except OSError as error:
        raise Failure.system("take the inputs", error.errno) from None


def enter(function, arguments):
    """As sys.exit(function(...)). The arguments stay alive: the socket is open to the end, if nobody closes it."""
    is_interrupted = False
    try:
        if _signal.getsignal(_signal.SIGINT) == _signal.SIG_DFL:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        code = exit_code(function(*arguments))
    except SystemExit as error:
        code = exit_code(error.code)
    except BaseException as error:
        is_interrupted = isinstance(error, KeyboardInterrupt)
        show(error)
        code = 1
    finish(code, is_interrupted)


def exit_code(value):
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    try:
        if sys.stderr is not None:
            print(value, file=sys.stderr)
    except Exception:
        # It cannot be printed, or nobody reads it.
        pass
    return 1


def show(error):
    """On standard error, or as the program wants it shown."""
    try:
        if sys.excepthook is not sys.__excepthook__:
            sys.excepthook(type(error), error, without_our_frames(error))
        elif sys.stderr is not None:
            print(describe_error(error), file=sys.stderr)
    except BaseException:
        # There is nobody left to tell.
        pass


def finish(code, is_interrupted):
    """The end of an interpreter, as far as it is this process's own: not the destructors of its template."""
    steps = [atexit._run_exitfuncs]
    if "threading" in sys.modules:
        steps.insert(0, sys.modules["threading"]._shutdown)
    if "multiprocessing.util" in sys.modules:
        # Its handler may be one of the template's.
        steps.append(forget_other_children)
        steps.append(sys.modules["multiprocessing.util"]._exit_function)
    for step in steps:
        try:
            step()
        except BaseException as error:
            show(error)
    flush_output()
    if is_interrupted:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGINT])
        send_signal(os.getpid(), _signal.SIGINT)
    exit_now(code)


# A template


# With so many octets of reports unread, no more orphans are reported.
MOST_UNREAD = 64 * 1024
# How often the parent is looked at where there are no pidfds, in milliseconds.
LOOK = 250
EXITED = struct.Struct("<IHHQII5Q")
SHORT_REPORT = struct.Struct("<IHHQI")
LAST_ID = (1 << 64) - 1


def forget_endings():
    """This process ends without running what was registered for its end, and so do its forks."""
    atexit._clear()
    # Those who register once for all that comes later have to do it again.
    weakref = sys.modules.get("weakref")
    if weakref:
        for finalizer in weakref.finalize._registry:
            finalizer.atexit = False
        weakref.finalize._registered_with_atexit = False
    if "logging" in sys.modules:
        atexit.register(sys.modules["logging"].shutdown)


def forget_other_children():
    """Processes that multiprocessing has started in the template are not those of a fork."""
    process = sys.modules.get("multiprocessing.process")
    if process:
        process._children = {child for child in process._children if child._parent_pid == os.getpid()}


def make_pair():
    """Two descriptors, connected."""
    pair = [above_stdio(end.detach()) for end in _socket.socketpair()]
    for descriptor in pair:
        # They are not, if the program has set a default timeout.
        os.set_blocking(descriptor, True)
    return pair


def wait_for_last_thread():
    """A thread that was joined may still be on its way out of the kernel: `sys/threads.rs`."""
    for _ in range(200):
        if is_single():
            return
        sleep(0.001)
    raise has_threads("become a template")


class Template:
    """Forks on request, reports how its children ended, and ends with its owner."""

    def __init__(self, process):
        wait_for_last_thread()
        # What is half-written now would come out once more in every fork.
        flush_output()
        gc.collect()
        gc.freeze()
        forget_endings()
        set_name(process.name or "anyfork: template")
        self.process = process
        # For the forks. They keep the template, because freeing it would write to its memory.
        process.template, process.parent = self, os.getpid()
        process.name = process.context = None
        # Pid to id and role. The id is None if the order came from an earlier owner, who is not told any more.
        self.children = {}
        self.pids = {}
        # Reports that the owner has not taken yet, and the descriptors that go with them, in order.
        self.reports = bytearray()
        self.report_descriptors = []
        # What is to be forked in advance: ids, and when each of the batch may be.
        self.batches = []
        # Fork no more; end when nobody depends on this process.
        self.is_ending = False
        self.block_signals()
        self.poll = make_poll()
        self.poll.register(self.wakeup, select.POLLIN)
        self.poll.register(process.socket, select.POLLIN)
        # Reports wait, but not for room in the socket: that it is writable says nothing then.
        self.is_jammed = False
        # The socket is at its end; only the owner's pidfd tells now.
        self.is_alone = False
        self.watch_owner()

    def block_signals(self):
        """Only SIGCHLD is heard; it makes a pipe readable."""
        try:
            self.wakeup, self.waker = map(above_stdio, os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
        except OSError as error:
            raise Failure.system("read signals", error.errno) from None
        _signal.pthread_sigmask(_signal.SIG_SETMASK, _signal.valid_signals() - {_signal.SIGCHLD})
        before = _signal.signal(_signal.SIGCHLD, lambda *_: None)
        # Not one system call of this process is to fail because of it, whoever makes it wait (FUSE, seccomp_unotify(2)).
        _signal.siginterrupt(_signal.SIGCHLD, False)
        # For the forks. None: not Python's.
        self.child_handler = _signal.SIG_DFL if before is None else before
        self.other_waker = _signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)

    def watch_owner(self):
        process = self.process
        if process.owner_pidfd is not None:
            self.poll.register(process.owner_pidfd, select.POLLIN)
        self.watches_parent = process.owner_pidfd is None and os.getppid() == process.owner

    def serve(self):
        """Returns in each fork, as the new process; the template itself ends in here."""
        # The owner's end is seen on its socket and its pidfd, unless this process is stopped. Before the answer: whoever hears that
        # may end the template above, which would kill a process that still counts as being prepared.
        set_death_signal(_signal.SIGCONT)
        if not announce(self.process.socket, Reply.READY):
            exit_now(0)
        try:
            self.collect()
            # What came with the last order is here already.
            child = self.follow_orders()
            while child is None:
                child = self.turn()
        except (Malformed, OSError):
            # Its owner sees the socket close; nothing else could be told to it.
            self.end()
        return self.into_child(*child)

    def turn(self):
        """Sleeps, then does all there is to do. In a fork: its socket and role."""
        if self.is_ending and not self.has_dependents():
            exit_now(0)
        ready = {descriptor for descriptor, _ in self.poll.poll(self.timeout())}
        owner = self.process.owner
        if self.process.owner_pidfd in ready or (self.watches_parent and os.getppid() != owner):
            self.read_last_orders()
            self.end()
        self.send_reports()
        has_orders = self.process.socket.fileno() in ready
        if has_orders:
            child = self.take_orders()
            if child is not None:
                return child
        if self.wakeup in ready:
            os.read(self.wakeup, 4096)
            self.collect()
        # Orders first: what is started now does not wait for what may be started later.
        return None if has_orders else self.fork_due_spare()

    def timeout(self):
        """How long it may sleep, in milliseconds; None: as long as nothing happens."""
        times = [LOOK] if self.watches_parent else []
        if self.is_jammed:
            times.append(JAMMED)
        if self.batches and not self.reports:
            times.append(max(0, (self.batches[0][1] - clock()) * 1000))
        return min(times, default=None)

    def take_orders(self):
        filled = self.process.inbox.fill(self.process.socket, socket.MSG_DONTWAIT)
        if filled == SOME:
            return self.follow_orders()
        if filled == GONE:
            # An owner that has said so keeps no handle, but those that depend on it live as long as it does.
            if not self.is_ending or (self.process.owner_pidfd is None and not self.watches_parent):
                self.end()
            self.is_alone = True
            self.drop_reports()
            self.poll.unregister(self.process.socket)
        return None

    def follow_orders(self):
        while True:
            frame = self.process.inbox.next()
            if frame is None:
                return None
            child = self.follow(*frame)
            if child is not None:
                return child

    def follow(self, kind, payload, count, descriptors, _lost):
        values, _ = parse(kind, payload, count)
        if kind == Order.FORK:
            return self.fork(*values, descriptors)
        if kind == Order.SIGNAL:
            self.signal(*values)
        elif kind == Order.MARK:
            self.mark(*values)
        elif kind == Order.OWN:
            self.own(*values, descriptors)
        elif kind == Order.SPARES:
            self.order_spares(*values)
        elif kind == Order.END:
            self.is_ending = True
            self.batches.clear()
            # The owner has said what became of those that it took.
            self.kill(Role.SPARE)
        elif kind in (Order.EXEC, Order.SPAWN):
            self.refuse(values[0], descriptors, not_understood("a Python template starts no programs"))
        else:
            raise Malformed("an order for a process that is no template yet")
        return None

    def order_spares(self, first, count, delay):
        if count == 0:
            kept = ((range(ids.start, min(ids.stop, first)), due) for ids, due in self.batches)
            self.batches = [(ids, due) for ids, due in kept if ids]
            self.kill(Role.SPARE, first=first)
        elif not self.is_ending:
            ids = range(first, min(first + count, LAST_ID))
            self.batches.append((ids, clock() + delay / 1_000_000))

    def fork(self, number, role, descriptors):
        """A failed fork is one failed request."""
        if not descriptors:
            return self.refuse(number, descriptors, None)
        try:
            pid = self.make(number, role)
        except Failure as failure:
            return self.refuse(number, descriptors, failure)
        if pid == 0:
            return descriptors[0], role
        os.close(descriptors[0])
        return None

    def fork_due_spare(self):
        """Forks in advance, one at a time. The owner gets its end of the socket with the report."""
        # None of which the owner could not be told: it has more than it takes.
        if self.reports or not self.batches or self.batches[0][1] > clock():
            return None
        ids, due = self.batches.pop(0)
        if len(ids) > 1:
            self.batches.insert(0, (ids[1:], due))
        try:
            ours, theirs = make_pair()
        except OSError as error:
            return self.report(Reply.NOT_FORKED, ids[0], error.errno)
        try:
            pid = self.make(ids[0], Role.SPARE)
        except Failure as failure:
            close_all((ours, theirs))
            return self.report(Reply.NOT_FORKED, ids[0], failure.code)
        if pid == 0:
            # Or nobody here would see it close there.
            os.close(ours)
            return theirs, Role.SPARE
        os.close(theirs)
        return self.report(Reply.SPARE, ids[0], pid, ours)

    def make(self, number, role):
        """The number of the new process; 0: this is the new process."""
        if not is_single():
            raise has_threads("fork")
        step = "fork in the template"
        try:
            pid = fork_process()
        except OSError as error:
            raise Failure.system(step, error.errno) from None
        except Exception as error:
            # Of an audit hook.
            raise Failure(Kind.PREPARATION, step, "", describe_briefly(error)) from None
        if pid != 0:
            self.children[pid] = number, role
            self.pids[number] = pid
        return pid

    def refuse(self, number, descriptors, failure):
        """The reason goes to the socket that came with the order, if it came."""
        if not descriptors:
            return self.report(Reply.NOT_FORKED, number, errno.EMFILE)
        try:
            with adopt_socket(descriptors[0]) as asked:
                failure.send(asked, socket.MSG_DONTWAIT)
        except OSError:
            # It is no socket.
            os.close(descriptors[0])
        close_all(descriptors[1:])
        return None

    def into_child(self, descriptor, role):
        """In the child: what belongs to the template is closed or forgotten, what was queued is inherited.

        Objects are used again and little is written to: each page that is touched is copied first.
        """
        _signal.set_wakeup_fd(self.other_waker)
        _signal.signal(_signal.SIGCHLD, self.child_handler)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        process, inbox = self.process, self.process.inbox
        os.dup2(descriptor, process.socket.fileno(), inheritable=False)
        # Others' sockets too, which have not been sent yet.
        close_all((descriptor, self.wakeup, self.waker, *inbox.descriptors, *self.report_descriptors))
        inbox.clear()
        process.role = Role.PREPARING if role == Role.SPARE else role
        if role == Role.BOUND and not libc:
            process.fail(Failure.system("die_with_owner", errno.ENOSYS))
        if role != Role.FREE:
            process.end_with_parent()
        return process

    def own(self, owner, descriptors):
        """The sender is the owner from now on."""
        process = self.process
        if process.owner_pidfd is not None:
            self.poll.unregister(process.owner_pidfd)
            os.close(process.owner_pidfd)
        process.owner, process.owner_pidfd = owner, descriptors[0] if descriptors else None
        self.watch_owner()
        self.batches.clear()
        self.pids.clear()
        # Nobody will say what a spare has become. If it still waits, it reads the end of its orders.
        roles = {pid: Role.FREE if role == Role.SPARE else role for pid, (_, role) in self.children.items()}
        self.children = {pid: (None, role) for pid, role in roles.items()}
        # It reads until it finds the answer, so this does not block for long.
        while self.reports:
            try:
                self.flush_reports(0)
            except OSError as error:
                if error.errno not in JAMS:
                    raise
                sleep(JAMMED / 1000)
        self.is_jammed = False
        self.poll.modify(process.socket, select.POLLIN)
        if not announce(process.socket, Reply.READY):
            self.end()

    def signal(self, number, signal):
        if number in self.pids:
            try:
                send_signal(self.pids[number], signal)
            except OSError:
                pass

    def mark(self, number, role):
        if number in self.pids:
            self.children[self.pids[number]] = number, role

    def read_last_orders(self):
        """What the owner has said of its children before it ended: who of them may go on, and who is to get a signal."""
        follow = {Order.MARK: self.mark, Order.SIGNAL: self.signal}
        inbox = self.process.inbox
        try:
            patience = PATIENCE
            while patience > 0 and (filled := inbox.fill(self.process.socket, socket.MSG_DONTWAIT)) in (SOME, LATER):
                patience -= JAMMED if filled == LATER else 0
                for kind, payload, count, _, _ in iter(inbox.next, None):
                    if kind in follow:
                        follow[kind](*parse(kind, payload, count)[0])
        except (Malformed, OSError):
            pass

    def collect(self):
        """Collects children that have ended. Each is reported before its number can belong to another."""
        while True:
            ended = ended_child()
            if ended is None:
                return
            pid, status, usage = ended
            # Unknown ones are adopted orphans.
            number, _ = self.children.pop(pid, (0, Role.FREE))
            self.pids.pop(number, None)
            # An owner that reads nothing has no use for orphans, of which there is no limit.
            is_wanted = number is not None and (number != 0 or len(self.reports) <= MOST_UNREAD)
            if is_wanted and not self.is_alone:
                length = EXITED.size - HEADER.size
                self.reports += EXITED.pack(length, Reply.EXITED, 0, number, pid, status, *usage)
                self.send_reports()
            wait_for(pid, 0)

    def report(self, kind, number, value, *descriptors):
        self.reports += SHORT_REPORT.pack(SHORT_REPORT.size - HEADER.size, kind, len(descriptors), number, value)
        self.report_descriptors += descriptors
        self.send_reports()

    def send_reports(self):
        """Never blocks: what the owner does not take now is kept."""
        if self.is_alone or not self.reports:
            return
        self.is_jammed = False
        try:
            self.flush_reports(socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
        except OSError as error:
            self.is_jammed = error.errno in JAMS
            if not self.is_jammed:
                # Nobody is there to read them.
                self.drop_reports()
        wanted = select.POLLIN | (select.POLLOUT if self.reports and not self.is_jammed else 0)
        self.poll.modify(self.process.socket, wanted)

    def flush_reports(self, flags):
        """All descriptors of a frame have come when its last octet has."""
        reports, descriptors = self.reports, self.report_descriptors
        while reports:
            batch = descriptors[:DESCRIPTORS_PER_MESSAGE]
            octets = reports[:1] if len(batch) < len(descriptors) else reports
            sent = self.process.socket.sendmsg([octets], rights_of(batch), flags | socket.MSG_NOSIGNAL)
            del reports[:sent], descriptors[: len(batch)]
            close_all(batch)

    def drop_reports(self):
        self.reports.clear()
        close_all(self.report_descriptors)
        self.report_descriptors.clear()
        self.is_jammed = False

    def has_dependents(self):
        """Whether a child lives to which the end of this process would send a signal."""
        # Spares have been killed by then.
        dependent = (Role.BOUND, Role.PREPARING, Role.WATCHED)
        return any(role in dependent for _, role in self.children.values())

    def end(self):
        """The owner is gone, or wants this template no more. The kernel kills those that armed their death signal."""
        self.kill(Role.BOUND, Role.PREPARING, Role.TEMPLATE)
        exit_now(0)

    def kill(self, *roles, first=0):
        for pid, (number, role) in self.children.items():
            if role in roles and (number or 0) >= first:
                try:
                    send_signal(pid, _signal.SIGKILL)
                except OSError:
                    pass


def main(descriptor):
    """Serves on this descriptor to the end of the process."""
    try:
        os.set_inheritable(descriptor, False)
        for name in "sys", "path", "m", "file", "code":
            vars(sys.modules["__main__"]).pop(name, None)
        # While it is prepared, this process is not one that the user sees.
        if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        Process(adopt_socket(descriptor)).serve()
    except BaseException as error:
        # An error of this file. Nothing above belongs to this process.
        sys.__excepthook__(type(error), error, error.__traceback__)
        exit_now(1)
