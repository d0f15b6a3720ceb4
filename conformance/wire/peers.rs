//! Templates and processes as bare sockets.

use crate::frames::{self, READY, TEMPLATE, frame, reply, send};
use anyfork::{Child, Command};
use anyfork_conformance::{InPython, Native, Subject};
use anyfork_tests::{LONG, all_end_soon, children, descriptors, wait_until};
use rustix::net::sockopt;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};

const PYTHON_SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/anyfork/src/python/server.py");

/// As anyfork starts it.
const PYTHON_BOOT: &str = "import sys; path = sys.path[:]; sys.path[:] = filter(None, path); m = type(sys)('_anyfork'); sys.modules['_anyfork'] = m; \
    file = open(4, 'rb'); code = file.read(); file.close(); exec(compile(code, '<anyfork>', 'exec'), m.__dict__); sys.path[:] = path; m.main(3)";

pub(crate) const PYTHON_FUNCTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/functions.py");

/// The version of the protocol.
pub(crate) const VERSION: u16 = 5;

/// A process at the other end of a socket.
pub(crate) struct Raw {
    pub(crate) socket: UnixStream,
    pub(crate) pid: u32,
    /// The process that serves it, if that is to be ended.
    _child: Option<Child>,
}

impl Raw {
    /// The socket is at its end, and the process is gone.
    pub(crate) fn ends(&self) {
        while let Some(reply) = reply(&self.socket) {
            assert!(matches!(reply.kind, frames::EXITED | frames::NOT_FORKED), "{reply:?}");
        }
        all_end_soon(&[self.pid]);
    }
}

/// A server that speaks the protocol.
pub(crate) trait Peer: Subject {
    /// A template that knows the functions.
    fn raw_template() -> Raw;
}

impl Peer for Native {
    fn raw_template() -> Raw {
        let template = Native::template();
        let pid = template.pid();
        let socket = UnixStream::from(template.into_fd().unwrap());
        socket.set_nonblocking(false).unwrap();
        Raw { socket: within_time(socket), pid, _child: None }
    }
}

impl Peer for InPython {
    fn raw_template() -> Raw {
        let raw = interpreter();
        let load = [frames::counted(b"functions"), PYTHON_FUNCTIONS.into()].concat();
        let orders = [hello(VERSION), frame(frames::LOAD, 0, &load), frame(TEMPLATE, 0, b"")].concat();
        assert!(send(&raw.socket, &orders, &[]));
        let ready = reply(&raw.socket).expect("it gets ready");
        assert_eq!((ready.kind, ready.u32_at(0)), (READY, raw.pid));
        raw
    }
}

/// A greeting, without a pidfd of the owner.
pub(crate) fn hello(version: u16) -> Vec<u8> {
    let owner = std::process::id().to_le_bytes();
    frame(frames::HELLO, 0, &[&version.to_le_bytes()[..], &[0; 16], &[0; 8], &owner, &[0], b"wire"].concat())
}

/// Python with its server, not greeted yet.
pub(crate) fn interpreter() -> Raw {
    let (socket, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(anyfork_conformance::python());
    command.args(["-B", "-c", PYTHON_BOOT]).fd_at(3, &theirs).fd_at(4, File::open(PYTHON_SERVER).unwrap());
    let child = command.kill_on_drop(true).spawn().unwrap();
    Raw { socket: within_time(socket), pid: child.id(), _child: Some(child) }
}

fn within_time(socket: UnixStream) -> UnixStream {
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

/// Orders a fork: its id and the socket at whose other end it is to be.
pub(crate) fn fork(template: &Raw, role: u8) -> (u64, UnixStream) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (ours, theirs) = UnixStream::pair().unwrap();
    assert!(send(&template.socket, &frames::fork(id, role), &[theirs.as_fd()]));
    (id, within_time(ours))
}

/// A template below another.
pub(crate) fn nested(template: &Raw) -> Raw {
    let (_, socket) = fork(template, frames::PREPARING);
    assert!(send(&socket, &frame(TEMPLATE, 0, b""), &[]));
    let ready = reply(&socket).expect("it gets ready");
    assert_eq!(ready.kind, READY);
    Raw { pid: ready.u32_at(0), socket, _child: None }
}

/// The order that runs a function.
pub(crate) fn run<P: Peer>(function: &str) -> Vec<u8> {
    frame(frames::RUN, 0, P::name(function).as_bytes())
}

/// The reply that a function has been entered: its process.
pub(crate) fn started(socket: &UnixStream) -> u32 {
    let started = reply(socket).expect("it starts");
    assert_eq!(started.kind, frames::STARTED, "{started:?}");
    started.u32_at(0)
}

/// No child is left, and the template works.
pub(crate) fn is_well<P: Peer>(template: &Raw) {
    assert!(wait_until(LONG, || children(template.pid).is_empty()), "{:?}", children(template.pid));
    let (_, socket) = fork(template, frames::FREE);
    assert!(send(&socket, &[frame(frames::ARGUMENT, 0, b"alive"), run::<P>("report")].concat(), &[]));
    started(&socket);
    let seen = anyfork_conformance::seen(&anyfork_conformance::written(&socket));
    assert_eq!(seen, [anyfork_conformance::Seen::Octets(b"alive".to_vec())]);
}

/// The template's end of its socket.
pub(crate) fn end_of(template: &Raw) -> OwnedFd {
    let pidfd = pidfd_open(Pid::from_raw(template.pid as i32).unwrap(), PidfdFlags::empty()).unwrap();
    let peer = descriptors(template.pid).into_keys().filter_map(|number| {
        let fd = pidfd_getfd(&pidfd, number as i32, PidfdGetfdFlags::empty()).ok()?;
        sockopt::socket_domain(&fd).ok().map(|_| fd)
    });
    let [socket] = peer.collect::<Vec<OwnedFd>>().try_into().expect("it has but one");
    socket
}
