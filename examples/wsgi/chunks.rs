//! The body of a response: what a worker sends, as it comes.

use hyper::body::{Body, Bytes, Frame};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How many chunks may wait for a client that is slow.
const WAITING: usize = 4;

/// A body whose chunks come from a task.
#[derive(Debug)]
pub(crate) struct Chunks(Receiver<Option<Bytes>>);

/// Where the task puts them: `None` is the end. Dropped before that it cuts the connection, so that the client does not take a part
/// for the whole.
pub(crate) type Chunker = Sender<Option<Bytes>>;

pub(crate) fn chunks() -> (Chunker, Chunks) {
    let (sender, receiver) = channel(WAITING);
    (sender, Chunks(receiver))
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|chunk| match chunk {
            Some(Some(chunk)) => Some(Ok(Frame::data(chunk))),
            Some(None) => None,
            None => Some(Err(io::Error::other("the rest of the body will not come"))),
        })
    }
}
