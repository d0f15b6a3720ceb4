//! What a program gets as its standard input, output or error.

use crate::error::{Error, Result};
use crate::pty::Pty;
use crate::sys::stdio::{NAMES, above_stdio, duplicate, open};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Stderr, Stdout};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{ChildStderr, ChildStdin, ChildStdout};

/// What a program gets as its standard input, output or error; as [`std::process::Stdio`].
///
/// Made by [`inherit`](Stdio::inherit), [`null`](Stdio::null) and [`piped`](Stdio::piped), or from anything that owns a descriptor: a
/// [`File`], a socket, the standard output of another [`Child`](crate::Child). It is kept by the [`Command`](crate::Command), and each start gets a
/// duplicate (dup(2)).
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// use anyfork::{Command, Stdio};
/// let mut printf = Command::new("printf").arg("b\\na\\n").stdout(Stdio::piped()).spawn()?;
/// let pipe = printf.stdout.take().unwrap();
/// let sort = Command::new("sort").stdin(pipe).stderr(Stdio::null()).output()?; // printf | sort
/// assert_eq!(sort.stdout, b"a\nb\n");
/// assert!(printf.wait()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stdio(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Inherit,
    /// The caller's descriptor 0, 1 or 2.
    Number(u32),
    Null,
    Piped,
    Fd(OwnedFd),
}

impl Stdio {
    /// The caller's own descriptor of the same number, as it is at the time of the start. If that is closed, it is closed in the program too.
    pub fn inherit() -> Self {
        Stdio(Kind::Inherit)
    }

    /// `/dev/null`.
    pub fn null() -> Self {
        Stdio(Kind::Null)
    }

    /// A new pipe, whose other end is in the [`Child`](crate::Child). It is blocking in both processes.
    pub fn piped() -> Self {
        Stdio(Kind::Piped)
    }
}

macro_rules! owners {
    ($($type:ty),+ $(,)?) => {$(
        impl From<$type> for Stdio {
            fn from(fd: $type) -> Self {
                Stdio(Kind::Fd(fd.into()))
            }
        }
    )+};
}

owners!(
    File,
    OwnedFd,
    ChildStdin,
    ChildStdout,
    ChildStderr,
    PipeReader,
    PipeWriter,
    TcpListener,
    TcpStream,
    UdpSocket,
    UnixDatagram,
    UnixListener,
    UnixStream,
    Pty,
);

macro_rules! streams {
    ($($type:ty),+) => {$(
        /// The stream as it is at the time of the start; what Rust has buffered of it is not written.
        impl From<$type> for Stdio {
            fn from(stream: $type) -> Self {
                Stdio(Kind::Number(stream.as_raw_fd() as u32))
            }
        }
    )+};
}

streams!(Stdout, Stderr);

/// The caller's ends of the pipes.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
}

impl Kind {
    /// The descriptor for `number` (0, 1 or 2). `None`: it is to be closed.
    pub(super) fn open(&self, number: u32, pipes: &mut Pipes) -> Result<Option<OwnedFd>> {
        let failed = |errno: Errno| Error::system(NAMES[number as usize], errno);
        Ok(Some(match self {
            Kind::Inherit => return inherited(number).map_err(failed),
            Kind::Number(other) => return inherited(*other).map_err(failed),
            Kind::Null => {
                let flags = if number == 0 { OFlags::RDONLY } else { OFlags::WRONLY };
                open(c"/dev/null", flags).map_err(failed)?
            }
            Kind::Piped => {
                let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
                let (reader, writer) = (above_stdio(reader), above_stdio(writer));
                match number {
                    0 => {
                        pipes.stdin = Some(writer.into());
                        reader
                    }
                    1 => {
                        pipes.stdout = Some(reader.into());
                        writer
                    }
                    _ => {
                        pipes.stderr = Some(reader.into());
                        writer
                    }
                }
            }
            Kind::Fd(fd) => duplicate(fd).map_err(failed)?,
        }))
    }
}

fn inherited(number: u32) -> rustix::io::Result<Option<OwnedFd>> {
    let own = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    match duplicate(own[number as usize]) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::BADF) => Ok(None),
        Err(errno) => Err(errno),
    }
}
