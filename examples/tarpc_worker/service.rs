//! The service: its calls as a trait, the process that answers them, and how both ends speak.

use futures_util::StreamExt;
use std::io;
use std::os::unix::net;
use tarpc::context::Context;
use tarpc::serde_transport::{self, Transport};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Json;
use tokio::net::UnixStream;
use tokio_util::codec::LengthDelimitedCodec;

/// Longer than any message. Who sends more, by a fault, must not fill the memory of the other.
const LONGEST_MESSAGE: usize = 1024 * 1024;

/// What the worker can be asked. From this tarpc makes `TextClient`, and all that is on the way.
#[tarpc::service]
pub(crate) trait Text {
    /// How many words there are in a text.
    async fn words(text: String) -> u64;
    /// The text so many times. Who asks for more than there is memory kills the worker.
    async fn repeat(text: String, times: u64) -> String;
}

#[derive(Clone)]
struct Texts;

impl Text for Texts {
    async fn words(self, _: Context, text: String) -> u64 {
        text.split_whitespace().count() as u64
    }

    async fn repeat(self, _: Context, text: String, times: u64) -> String {
        text.repeat(times as usize)
    }
}

/// Runs in the worker: answers calls until the main program closes the socket.
#[anyfork::entry(tokio)]
pub(crate) async fn serve(socket: net::UnixStream) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let channel = BaseChannel::with_defaults(transport(UnixStream::from_std(socket)?));
    // Each call is a task of its own, so that none waits for another.
    channel.execute(Texts.serve()).for_each(|call| async { drop(tokio::spawn(call)) }).await;
    Ok(())
}

/// Either end of a worker's socket: a length before each message, and JSON in it.
pub(crate) fn transport<Received, Sent>(
    socket: UnixStream,
) -> Transport<UnixStream, Received, Sent, Json<Received, Sent>>
where
    Received: for<'a> serde::Deserialize<'a>,
    Sent: serde::Serialize,
{
    let codec = LengthDelimitedCodec::builder().max_frame_length(LONGEST_MESSAGE).new_framed(socket);
    serde_transport::new(codec, Json::default())
}
