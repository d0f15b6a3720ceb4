//! What this program does when it is started as a worker by those that can only exec: `compare worker DO`.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

const WORKER: &str = "worker";

/// Whether this process is such a worker, and has done its part.
pub(crate) fn run_if_started() -> bool {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(WORKER) {
        return false;
    }
    match arguments.next().as_deref() {
        Some("first-byte") => std::io::stdout().write_all(b"1\n").expect("somebody reads it"),
        Some("wait") => {
            std::io::stdout().write_all(b"1\n").expect("somebody reads it");
            let _ = std::io::stdin().read(&mut [0]);
        }
        Some("echo") => echo(),
        _ => {}
    }
    true
}

/// Standard input is a socket. Its other end may be closed at any time.
fn echo() {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
    let mut socket = socket.expect("a socket");
    let mut byte = [0];
    while socket.read_exact(&mut byte).and_then(|()| socket.write_all(&byte)).is_ok() {}
}

/// This program as a worker.
pub(super) fn command(part: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args([WORKER, part]).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}
