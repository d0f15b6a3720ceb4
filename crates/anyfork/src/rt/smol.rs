//! smol and every executor that has no reactor of its own: <https://docs.rs/async-io>.

use super::piped;
use crate::child::Child;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::watch::Watch;
use crate::worker::Worker;
use async_io::{Async, IoSafe, Timer};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Place {
    fd: Async<Shared>,
    timer: Option<Timer>,
}

#[derive(Debug)]
struct Shared(Arc<Watch>);

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Place {
    pub(super) fn new(watch: Arc<Watch>) -> Result<Self> {
        let fd = Async::new_nonblocking(Shared(watch));
        Ok(Place { fd: fd.map_err(|error| Error::system("wait in async-io", error))?, timer: None })
    }

    pub(super) fn poll_ready(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(ready) = self.fd.poll_readable(context) {
            return Poll::Ready(ready);
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Timer::at(deadline));
        if Pin::new(timer).poll(context).is_pending() {
            return Poll::Pending;
        }
        self.timer = None;
        Poll::Ready(Ok(()))
    }
}

/// For `#[entry(smol)]`.
pub fn block_on<F: Future>(future: F) -> F::Output {
    async_io::block_on(future)
}

/// With the feature `smol`.
impl Worker {
    /// As [`into_socket`](Worker::into_socket), for smol. To learn of the worker's end too, call [`exited`](Worker::exited) before.
    ///
    /// ```
    /// # use {std::io::{Read, Write}, std::os::unix::net::UnixStream};
    /// #[anyfork::entry]
    /// fn greet(mut socket: UnixStream) -> std::io::Result<()> {
    ///     socket.write_all(b"hello")
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # async_io::block_on(async {
    /// let socket = anyfork::Process::new().start(greet).await?.into_smol_socket()?;
    /// let mut word = [0; 5];
    /// socket.read_with(|mut socket| socket.read_exact(&mut word)).await?;
    /// assert_eq!(&word, b"hello");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`System`](ErrorKind::System) if it cannot be registered with the reactor.
    pub fn into_smol_socket(self) -> Result<Async<UnixStream>> {
        registered(self.into_socket(), "give the socket to async-io")
    }

    /// A duplicate (dup(2)) of the [`socket`](Worker::socket) for smol. The worker reads end-of-file when both are closed, or one has been shut down.
    ///
    /// ```
    /// # use {std::io::{Read, Write}, std::os::unix::net::UnixStream};
    /// #[anyfork::entry]
    /// fn greet(mut socket: UnixStream) -> std::io::Result<()> {
    ///     socket.write_all(b"hello")
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # async_io::block_on(async {
    /// let worker = anyfork::Process::new().start(greet).await?;
    /// let socket = worker.smol_socket()?;
    /// let mut word = [0; 5];
    /// socket.read_with(|mut socket| socket.read_exact(&mut word)).await?;
    /// assert_eq!(&word, b"hello");
    /// assert!(worker.exited().await?.success());
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`into_smol_socket`](Worker::into_smol_socket), and if there are no more descriptors.
    pub fn smol_socket(&self) -> Result<Async<UnixStream>> {
        let copy = self.socket().try_clone().map_err(|error| Error::system("duplicate the socket", error))?;
        registered(copy, "give the socket to async-io")
    }
}

/// With the feature `smol`.
impl Child {
    /// Takes the program's standard input, to be written to in smol.
    ///
    /// ```
    /// # use {anyfork::{Command, Stdio}, std::io::{Read, Write}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # async_io::block_on(async {
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).start().await?;
    /// // SAFETY (of both): what is done with the pipe leaves its descriptor as it is.
    /// unsafe { child.smol_stdin()?.write_with_mut(|pipe| pipe.write_all(b"through")).await? };
    /// let mut output = child.smol_stdout()?;
    /// let mut text = [0; 7];
    /// unsafe { output.read_with_mut(|pipe| pipe.read_exact(&mut text)).await? };
    /// assert_eq!(&text, b"through");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it was not [`piped`](crate::Stdio::piped), or has been taken; [`System`](ErrorKind::System) if it
    /// cannot be registered with the reactor.
    pub fn smol_stdin(&mut self) -> Result<Async<ChildStdin>> {
        take(self.stdin.take(), "standard input")
    }

    /// Takes its standard output, to be read in smol.
    ///
    /// # Errors
    /// As [`smol_stdin`](Child::smol_stdin).
    pub fn smol_stdout(&mut self) -> Result<Async<ChildStdout>> {
        take(self.stdout.take(), "standard output")
    }

    /// Takes its standard error, to be read in smol.
    ///
    /// # Errors
    /// As [`smol_stdin`](Child::smol_stdin).
    pub fn smol_stderr(&mut self) -> Result<Async<ChildStderr>> {
        take(self.stderr.take(), "standard error")
    }
}

fn take<P: AsFd + IoSafe>(pipe: Option<P>, name: &'static str) -> Result<Async<P>> {
    registered(piped(pipe, name)?, name)
}

fn registered<T: AsFd>(fd: T, step: &'static str) -> Result<Async<T>> {
    Async::new(fd).map_err(|error| Error::system(step, error))
}
