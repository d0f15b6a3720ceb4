//! How a freshly exec'd process learns that anyfork started it: an environment variable names the descriptor of its socket
//! and a nonce, and the same nonce waits on the socket.

use crate::allowed;
use crate::channel::Filled;
use crate::error::{Error, Result};
use crate::server::{Owner, Process};
use crate::sys::exec::{Image, OWN_IMAGE};
use crate::sys::socket::{self, Blocking};
use crate::sys::threads;
use crate::sys::{environ, exit, image, signal, stdio, title};
use crate::wire::{self, Bytes, Failure, FailureKind, Hello, Order, Parsed, Program, Step, Strings};
use rustix::io::FdFlags;
use rustix::rand::GetRandomFlags;
use std::ffi::CString;
use std::fmt::Write;
use std::iter;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Where a process that is started as a program finds its socket.
pub(crate) const SOCKET: u32 = 3;

/// Says where the socket is. Present only between an exec and the first code of the new image.
const VARIABLE: &str = "ANYFORK_HANDOVER";

pub(crate) type Nonce = [u8; 16];

/// Whether this process was started by anyfork, and nobody has noticed.
pub(crate) fn is_pending() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

pub(crate) fn nonce() -> Result<Nonce> {
    let mut nonce = Nonce::default();
    let made = rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut nonce, GetRandomFlags::empty()));
    made.map(|_| nonce).map_err(|errno| Error::system("make a nonce", errno))
}

/// The image of this program, for a process that will find `socket` and is shown as `title` until it takes over. It has the variables with these `names`, or all.
pub(crate) fn image_for(socket: BorrowedFd<'_>, nonce: &Nonce, title: &str, names: Option<&[u8]>) -> Image {
    Image::new(shown(title), environment(socket.as_raw_fd(), nonce, names))
}

/// The same as a program to be started, whose new process keeps its own socket for the image. It takes `steps` before.
pub(crate) fn program_for(nonce: &Nonce, title: &str, names: Option<&[u8]>, steps: Vec<Step<'_>>) -> Parsed<Bytes> {
    let title = shown(title);
    let variables = environment(SOCKET as RawFd, nonce, names);
    let environment: Vec<u8> = variables.iter().flat_map(|variable| variable.to_bytes_with_nul()).copied().collect();
    let program = Program {
        file: OWN_IMAGE,
        path: c"",
        arguments: Strings::new(title.to_bytes_with_nul())?,
        environment: Strings::new(&environment)?,
        namespaces: 0,
        cgroup: None,
        steps: iter::once(Step::Keep { at: SOCKET }).chain(steps).collect(),
    };
    let mut octets = Bytes::new();
    program.append(&mut octets);
    Ok(octets)
}

fn shown(title: &str) -> CString {
    CString::new(title::padded(title).replace('\0', "?")).unwrap_or_default()
}

/// The variables with these `names`, or all, and where the socket is.
fn environment(number: RawFd, nonce: &Nonce, names: Option<&[u8]>) -> Vec<CString> {
    let all = std::env::vars_os().filter(|(name, _)| name != VARIABLE).map(environ::joined);
    let kept = all.filter(|variable| names.is_none_or(|names| allowed::has(names, variable)));
    let own = format!("{VARIABLE}={}", written(number, nonce)).into_bytes();
    kept.chain([own]).filter_map(|variable| CString::new(variable).ok()).collect()
}

/// The value of the variable.
pub(crate) fn written(number: RawFd, nonce: &Nonce) -> String {
    let mut value = format!("{number}:");
    for byte in nonce {
        let _ = write!(value, "{byte:02x}");
    }
    value
}

/// In a process that anyfork started: the process with its socket, ready to follow orders. `None` in any other.
pub(crate) fn take() -> Option<Process> {
    let value = std::env::var_os(VARIABLE)?;
    let Ok(proof) = threads::single_soon() else {
        eprintln!("anyfork: init() must be called before the first thread is started");
        exit::now(1)
    };
    // Nothing that is started from here may believe that it was meant.
    environ::remove(&proof, VARIABLE);
    if environ::is_secure() {
        // Meant for this program or not, it is not believed here; and if it was meant, `main` would start the next one.
        eprintln!("anyfork: {VARIABLE} is set for a program that runs with privileges its caller does not have");
        exit::now(1)
    }
    let (number, nonce) = parse(value.to_str()?)?;
    let socket = environ::adopt(number, |fd| socket::is_unix_stream(fd) && is_announced(fd, &nonce))?;
    stdio::fill_stdio();
    signal::ignore_sigpipe();
    let _ = rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC);
    Some(greet(socket))
}

pub(crate) fn parse(value: &str) -> Option<(RawFd, Nonce)> {
    let (number, digits) = value.split_once(':')?;
    let number: RawFd = number.parse().ok().filter(|number| *number > 2)?;
    let mut nonce = Nonce::default();
    if digits.len() != 2 * nonce.len() || !digits.is_ascii() {
        return None;
    }
    for (index, byte) in nonce.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
    }
    // Numbers are also read with a sign or more zeros, which nobody here writes.
    (written(number, &nonce) == value).then_some((number, nonce))
}

/// Whether a greeting with this nonce waits on the socket. Looks without taking: it may be somebody else's.
fn is_announced(socket: BorrowedFd<'_>, expected: &Nonce) -> bool {
    let mut bytes = [0; 1024];
    socket::peek(socket, &mut bytes).is_ok_and(|length| announces(&bytes[..length], expected))
}

pub(crate) fn announces(octets: &[u8], expected: &Nonce) -> bool {
    match wire::split(octets).map(|frame| frame.map(|(frame, _)| Order::parse(frame))) {
        Ok(Some(Ok(Order::Hello(Hello { nonce, .. })))) => nonce == *expected,
        _ => false,
    }
}

/// Reads the greeting and closes all that was inherited by accident.
fn greet(socket: OwnedFd) -> Process {
    let mut process = Process::new(socket, Owner::new(0, None, String::new()));
    // It waits there.
    let mut message = loop {
        match process.inbox.next() {
            Ok(Some(message)) => break message,
            Ok(None) if receives(&mut process) => {}
            _ => exit::now(0),
        }
    };
    let pidfd = message.descriptors.pop();
    let Ok(Order::Hello(hello)) = Order::parse(message.frame.get()) else { exit::now(0) };
    let program = String::from_utf8_lossy(hello.program).into_owned();
    process.owner = Owner::new(hello.owner, pidfd, program);
    process.close_all_else();
    if hello.version != wire::VERSION || hello.image != image::fingerprint() {
        let message = "the program that was started is not the one that started it: it was replaced while it runs";
        process.fail(Failure::new(FailureKind::OtherImage, "start", "/proc/self/exe", message));
    }
    if hello.adopts {
        process.adopt_orphans();
    }
    process
}

fn receives(process: &mut Process) -> bool {
    matches!(process.inbox.fill(&process.socket, Blocking::Yes), Ok(Filled::Some | Filled::Nothing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_value_is_understood() {
        assert_eq!(
            parse("7:000102030405060708090a0b0c0d0e0f").map(|(number, nonce)| (number, nonce[15])),
            Some((7, 15))
        );
        for wrong in ["", "7", "7:", "2:000102030405060708090a0b0c0d0e0f", "-1:00", "x:00", "7:0001", "7:zz"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
        assert!(parse(&format!("99999999999:{}", "0".repeat(32))).is_none());
        for number in ["+7", "07", " 7", "7 "] {
            assert!(parse(&format!("{number}:{}", "0".repeat(32))).is_none(), "{number}");
        }
        assert!(parse(&format!("7:{}", "+f".repeat(16))).is_none());
        assert!(parse(&format!("7:{}", "FF".repeat(16))).is_none());
        assert!(parse(&format!("7:{}", "ä".repeat(16))).is_none());
    }
}
