//! One script that runs: started with its limits, fed, read, and killed with all that it has started.

use crate::header;
use crate::server::Place;
use anyfork::{Child, Command, ExitStatus, Limit, Stdio};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout_at};

/// CPU time of a script in seconds: SIGXCPU, and a second later SIGKILL.
const CPU: u64 = 60;
const ADDRESS_SPACE: u64 = 2 << 30;
const DESCRIPTORS: u64 = 256;
/// The longest header that a script may write.
const MOST_HEADER: usize = 64 * 1024;

/// Dropping it kills the script, and what it has left behind.
pub(crate) struct Script {
    /// With the place that the script takes, until it has gone. `None` only when it is being dropped.
    child: Option<(Child, Arc<Place>)>,
    input: Option<pipe::Sender>,
    output: pipe::Receiver,
    /// What has been read of it, and not been used.
    read: Vec<u8>,
}

impl Script {
    /// Starts a script whose environment and directory are set.
    pub(crate) async fn start(command: &mut Command, has_input: bool, place: Arc<Place>) -> io::Result<Self> {
        let stdin = if has_input { Stdio::piped() } else { Stdio::null() };
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            // Its processes can be found, and the server's terminal is not theirs.
            .setsid(true)
            .rlimit(Limit::Cpu, CPU, CPU + 1)
            .rlimit(Limit::As, ADDRESS_SPACE, ADDRESS_SPACE)
            .rlimit(Limit::Nofile, DESCRIPTORS, DESCRIPTORS)
            .rlimit(Limit::Core, 0, 0)
            .no_new_privs(true)
            .kill_on_drop(true)
            .die_with_owner(true);
        let mut child = command.start().await?;
        // The other ends of the pipes, the script's, stay blocking.
        let input = has_input.then(|| child.tokio_stdin()).transpose()?;
        let output = child.tokio_stdout()?;
        Ok(Script { child: Some((child, place)), input, output, read: Vec::new() })
    }

    /// Its standard input, once.
    pub(crate) fn take_input(&mut self) -> Option<pipe::Sender> {
        self.input.take()
    }

    /// The header that the script writes.
    pub(crate) async fn header(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(length) = header::length(&self.read) {
                let body = self.read.split_off(length);
                return Ok(std::mem::replace(&mut self.read, body));
            }
            if self.read.len() > MOST_HEADER {
                return Err(io::Error::other("the header does not end"));
            }
            if self.output.read_buf(&mut self.read).await? == 0 {
                let status = self.exited().await?;
                return Err(io::Error::other(format!("no header; {status}")));
            }
        }
    }

    /// Sends all that comes after the header, and waits for the script's end.
    pub(crate) async fn send_body(&mut self, chunks: &Sender<io::Result<Bytes>>) -> io::Result<ExitStatus> {
        loop {
            let chunk = std::mem::replace(&mut self.read, Vec::with_capacity(16 * 1024));
            if !chunk.is_empty() && chunks.send(Ok(Bytes::from(chunk))).await.is_err() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if self.output.read_buf(&mut self.read).await? == 0 {
                return self.exited().await;
            }
        }
    }

    async fn exited(&self) -> io::Result<ExitStatus> {
        match &self.child {
            Some((child, _)) => Ok(child.exited().await?),
            None => Err(io::Error::other("it has been dropped")),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let Some((child, place)) = self.child.take() else { return };
        // It takes some milliseconds, in which the event loop has other things to do.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = child.kill_tree() {
                eprintln!("cgi: process {}: {error}", child.id());
            }
            drop(place);
        });
    }
}

/// Copies the request's body to a script, until the deadline. What the script does not want is read too: the client may
/// read nothing before it has sent everything.
pub(crate) async fn feed(input: pipe::Sender, mut body: Incoming, deadline: Instant) {
    let mut input = Some(input);
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let (Some(pipe), Some(data)) = (&mut input, frame.data_ref()) else { continue };
        if !matches!(timeout_at(deadline, pipe.write_all(data)).await, Ok(Ok(()))) {
            input = None;
        }
    }
}
