//! tokio: <https://docs.rs/tokio>.

use super::piped;
use crate::child::Child;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::watch::Watch;
use crate::worker::Worker;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::runtime::{Builder, Handle};
use tokio::time::Sleep;

/// Whether a runtime is running here.
pub(super) fn is_here() -> bool {
    Handle::try_current().is_ok()
}

#[derive(Debug)]
pub(super) struct Place {
    fd: AsyncFd<Shared>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Shared(Arc<Watch>);

impl AsRawFd for Shared {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Place {
    pub(super) fn new(watch: Arc<Watch>) -> Result<Self> {
        // What tokio 1.54 recommends instead is unsafe, because the descriptor must stay the same and open: a watch is one for all its life.
        #[allow(deprecated)]
        let fd = AsyncFd::with_interest(Shared(watch), Interest::READABLE);
        Ok(Place { fd: fd.map_err(|error| Error::system("wait in tokio", error))?, timer: None })
    }

    pub(super) fn poll_ready(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(guard) = self.fd.poll_read_ready(context) {
            guard?.clear_ready();
            return Poll::Ready(Ok(()));
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        // By the clock of the system: that of tokio may stand still, or be ahead.
        let left = || deadline.saturating_duration_since(Instant::now());
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(left())));
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.timer = None;
        Poll::Ready(Ok(()))
    }
}

/// For `#[entry(tokio)]`: a runtime of one thread, which is this one.
pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_by(Builder::new_current_thread(), future)
}

/// For `#[entry(tokio(flavor = "multi_thread"))]`: a runtime of so many threads, or of as many as there are processors.
pub fn block_on_threads<F: Future>(threads: Option<usize>, future: F) -> F::Output {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    block_on_by(builder, future)
}

fn block_on_by<F: Future>(mut builder: Builder, future: F) -> F::Output {
    match builder.enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        // An entry that cannot run is one that panics: its exit code says so.
        Err(error) => panic!("the entry's tokio runtime cannot be built: {error}"),
    }
}

/// With the feature `tokio`.
impl Worker {
    /// As [`into_socket`](Worker::into_socket), for tokio. To learn of the worker's end too, call [`exited`](Worker::exited) before.
    ///
    /// # Errors
    /// [`System`](ErrorKind::System) if it cannot be registered with the runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime that has I/O enabled.
    pub fn into_tokio_socket(self) -> Result<UnixStream> {
        stream(self.into_socket())
    }

    /// A duplicate (dup(2)) of the [`socket`](Worker::socket) for tokio. The worker reads end-of-file when both are closed, or one has been shut down.
    ///
    /// # Errors
    /// As [`into_tokio_socket`](Worker::into_tokio_socket), and if there are no more descriptors.
    ///
    /// # Panics
    /// As [`into_tokio_socket`](Worker::into_tokio_socket).
    pub fn tokio_socket(&self) -> Result<UnixStream> {
        stream(self.socket().try_clone().map_err(|error| Error::system("duplicate the socket", error))?)
    }
}

fn stream(socket: std::os::unix::net::UnixStream) -> Result<UnixStream> {
    let stream = socket.set_nonblocking(true).and_then(|()| UnixStream::from_std(socket));
    stream.map_err(|error| Error::system("give the socket to tokio", error))
}

/// With the feature `tokio`.
impl Child {
    /// Takes the program's standard input, to be written to in tokio.
    ///
    /// ```
    /// # use {anyfork::{Command, Stdio}, tokio::io::{AsyncReadExt, AsyncWriteExt}};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut child = Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).start().await?;
    /// child.tokio_stdin()?.write_all(b"b\na\n").await?; // and closed
    /// let mut text = String::new();
    /// child.tokio_stdout()?.read_to_string(&mut text).await?;
    /// assert_eq!(text, "a\nb\n");
    /// assert!(child.exited().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it was not [`piped`](crate::Stdio::piped), or has been taken; [`System`](ErrorKind::System) if it
    /// cannot be registered with the runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime that has I/O enabled.
    pub fn tokio_stdin(&mut self) -> Result<pipe::Sender> {
        take(self.stdin.take(), "standard input", pipe::Sender::from_owned_fd)
    }

    /// Takes its standard output, to be read in tokio.
    ///
    /// # Errors
    /// As [`tokio_stdin`](Child::tokio_stdin).
    ///
    /// # Panics
    /// As [`tokio_stdin`](Child::tokio_stdin).
    pub fn tokio_stdout(&mut self) -> Result<pipe::Receiver> {
        take(self.stdout.take(), "standard output", pipe::Receiver::from_owned_fd)
    }

    /// Takes its standard error, to be read in tokio.
    ///
    /// # Errors
    /// As [`tokio_stdin`](Child::tokio_stdin).
    ///
    /// # Panics
    /// As [`tokio_stdin`](Child::tokio_stdin).
    pub fn tokio_stderr(&mut self) -> Result<pipe::Receiver> {
        take(self.stderr.take(), "standard error", pipe::Receiver::from_owned_fd)
    }
}

fn take<P: Into<OwnedFd>, T>(pipe: Option<P>, name: &'static str, with: fn(OwnedFd) -> io::Result<T>) -> Result<T> {
    with(piped(pipe, name)?.into()).map_err(|error| Error::system(name, error))
}
