//! What main program and workers say to each other: a JSON document per line.

use futures_util::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::net;
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

/// Longer than any message. Who sends more, by a fault, must not fill the memory of the other.
const LONGEST_LINE: usize = 64 * 1024;

/// One job for a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Find the prime factors of a number. The time stands for work that takes longer than that.
    Factor { number: u64, milliseconds: u64 },
    /// End by a crash: for those who want to see a job that no worker survives.
    Abort,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) job: u64,
    pub(crate) task: Task,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// That of the request.
    pub(crate) job: u64,
    /// The factors, or why there are none.
    pub(crate) outcome: Result<Vec<u64>, String>,
}

/// One end of a worker's socket.
#[derive(Debug)]
pub(crate) struct Messages(Framed<UnixStream, LinesCodec>);

impl Messages {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Messages(Framed::new(socket, LinesCodec::new_with_max_length(LONGEST_LINE)))
    }

    /// The worker's end, as the entry gets it: in blocking mode, which a runtime cannot use.
    pub(crate) fn from_std(socket: net::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::new(UnixStream::from_std(socket)?))
    }

    pub(crate) async fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let line = serde_json::to_string(message)?;
        self.0.send(line).await.map_err(failed)
    }

    /// The next message; `None`: the other end has been closed. Dropping the future loses nothing.
    pub(crate) async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let line = self.0.next().await.transpose().map_err(failed)?;
        Ok(line.map(|line| serde_json::from_str(&line)).transpose()?)
    }
}

fn failed(error: LinesCodecError) -> io::Error {
    match error {
        LinesCodecError::Io(error) => error,
        too_long => io::Error::new(io::ErrorKind::InvalidData, too_long),
    }
}
