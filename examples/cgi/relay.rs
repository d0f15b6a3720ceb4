//! The body of a response: what a script writes, as it comes.

use crate::script::Script;
use hyper::body::{Body, Bytes, Frame};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, timeout_at};

/// A body whose chunks come from a task. Dropping it tells the task.
#[derive(Debug)]
pub(crate) struct Chunks(pub(crate) Receiver<io::Result<Bytes>>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// Copies a script's output until its end, its client's end or the deadline.
pub(crate) async fn relay(mut script: Script, name: String, chunks: Sender<io::Result<Bytes>>, deadline: Instant) {
    let outcome = tokio::select! {
        // The client has gone, and takes the script with it.
        () = chunks.closed() => return,
        outcome = timeout_at(deadline, script.send_body(&chunks)) => outcome,
    };
    // Before the client is told, who may be slow.
    drop(script);
    let failure = match outcome {
        Ok(Ok(status)) if status.success() => return,
        // It has said all that it wanted to say.
        Ok(Ok(status)) if status.code().is_some() => return eprintln!("cgi: {name}: {status}"),
        Ok(Ok(status)) => status.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its time was over".to_owned(),
    };
    eprintln!("cgi: {name}: {failure}");
    // An error instead of the end cuts the connection, so that the client does not take a part for the whole.
    let _ = chunks.send(Err(io::Error::other(failure))).await;
}
