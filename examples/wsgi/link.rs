//! What front end and worker say to each other: frames over the worker's socket. `worker.py` has the other end.
//!
//! A frame is its length (four octets, big endian), an octet that says its kind, and what belongs to that. The front end sends `R`, the
//! request as a JSON object of the strings in `environ`; then its body in frames `D`; then `E`, or `C` if the rest of it does not
//! come. The worker sends `T` before it calls the application; `H`, the head of the response as JSON: `[status, [[name, value], ...]]`; its body
//! in frames `D`; then `E`, or `F` if the application has failed. Characters of strings are octets, as PEP 3333 has them.

use futures_util::SinkExt;
use futures_util::StreamExt;
use hyper::body::Bytes;
use serde::Deserialize;
use std::io;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

/// Longer than any frame. Who sends more, by a fault, must not fill the memory of the other.
const LONGEST: usize = 1 << 20;
/// The longest piece of a body in one frame.
const CHUNK: usize = 64 * 1024;

/// One end of a worker's socket.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) orders: Orders,
    pub(crate) replies: Replies,
}

#[derive(Debug)]
pub(crate) struct Orders(FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>);

#[derive(Debug)]
pub(crate) struct Replies(FramedRead<OwnedReadHalf, LengthDelimitedCodec>);

#[derive(Debug)]
pub(crate) enum Reply {
    Taken,
    Head(Head),
    Data(Bytes),
    End,
    Failed,
}

/// The head of a response, as the application has said it.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    pub(crate) status: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Link {
    pub(crate) fn new(socket: UnixStream) -> Self {
        let codec = || LengthDelimitedCodec::builder().max_frame_length(LONGEST).new_codec();
        let (reader, writer) = socket.into_split();
        Link { orders: Orders(FramedWrite::new(writer, codec())), replies: Replies(FramedRead::new(reader, codec())) }
    }
}

impl Orders {
    pub(crate) async fn request(&mut self, environ: &[u8]) -> io::Result<()> {
        self.send(b'R', environ).await
    }

    /// If the future is dropped, all of the frames that have been begun are sent, before others.
    pub(crate) async fn data(&mut self, data: &[u8]) -> io::Result<()> {
        for chunk in data.chunks(CHUNK) {
            self.send(b'D', chunk).await?;
        }
        Ok(())
    }

    pub(crate) async fn end(&mut self) -> io::Result<()> {
        self.send(b'E', b"").await
    }

    pub(crate) async fn cut(&mut self) -> io::Result<()> {
        self.send(b'C', b"").await
    }

    async fn send(&mut self, kind: u8, content: &[u8]) -> io::Result<()> {
        self.0.send(Bytes::from([&[kind], content].concat())).await
    }
}

impl Replies {
    /// The next frame. The end of the socket is an error. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> io::Result<Reply> {
        let mut frame = self.0.next().await.ok_or(io::ErrorKind::UnexpectedEof)??.freeze();
        let kind = frame.split_to(frame.len().min(1));
        match &kind[..] {
            b"T" => Ok(Reply::Taken),
            b"H" => Ok(Reply::Head(serde_json::from_slice(&frame)?)),
            b"D" => Ok(Reply::Data(frame)),
            b"E" => Ok(Reply::End),
            b"F" => Ok(Reply::Failed),
            kind => Err(io::Error::new(io::ErrorKind::InvalidData, format!("an unknown kind of frame: {kind:?}"))),
        }
    }
}

/// Whether the socket has ended: that of a process which is killed with something unread is reset.
pub(crate) fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}
