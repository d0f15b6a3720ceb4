//! Typed calls to a worker with tarpc: what is spoken on a worker's socket is up to you.
//!
//! anyfork gives a process and a socket to it. Here tarpc speaks on that, with requests that overtake each other, deadlines, and
//! errors of its own; it could as well be lines of JSON (`tokio_pool`), or octets (`prefork`). The two tell different things of a
//! worker that dies: tarpc that a call has failed, anyfork how the process has ended.
//!
//! Run it: `cargo run --release --example tarpc_worker`

mod service;

use anyfork::{Process, Template, Worker};
use futures_util::future::try_join_all;
use service::TextClient;
use std::error::Error;
use std::iter;
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::Duration;
use tarpc::{client, context};
use tokio::time::timeout;

/// How long the worker may take to end by itself.
const GENTLE: Duration = Duration::from_secs(3);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A worker, and the client for the service in it.
struct Remote {
    worker: Worker,
    client: TextClient,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tarpc_worker: {}", with_reasons(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let template = Process::new().start_template().await?;
    let remote = Remote::start(&template).await?;
    calls_that_succeed(&remote).await?;
    a_call_that_kills(remote).await?;
    // The template is as good as before.
    let remote = Remote::start(&template).await?;
    calls_that_succeed(&remote).await?;
    println!("worker {} ended: {}", remote.worker.pid(), remote.end().await?);
    Ok(())
}

async fn calls_that_succeed(Remote { worker, client }: &Remote) -> Result<()> {
    println!("worker {} counts {} words", worker.pid(), client.words(now(), "one two three".into()).await?);
    // All at once, over the one socket.
    let texts = ["a", "b", "c"].map(|text| client.repeat(now(), text.into(), 3));
    println!("worker {} repeats: {}", worker.pid(), try_join_all(texts).await?.join(" "));
    Ok(())
}

/// Asks for a text that no memory can hold. A thread would take the program with it.
async fn a_call_that_kills(remote: Remote) -> Result<()> {
    let pid = remote.worker.pid();
    match remote.client.repeat(now(), "too much ".into(), 1 << 58).await {
        Ok(text) => println!("worker {pid} repeats: {} octets", text.len()),
        Err(error) => println!("the call to worker {pid} failed: {}", with_reasons(&error)),
    }
    println!("worker {pid} ended: {}", remote.end().await?);
    Ok(())
}

impl Remote {
    async fn start(template: &Template) -> Result<Self> {
        let worker = template.fork().die_with_owner(true).kill_on_drop(true).start(service::serve).await?;
        // A duplicate: the worker's handle stays, to kill it and to learn how it ended.
        let transport = service::transport(worker.tokio_socket()?);
        let client = TextClient::new(client::Config::default(), transport).spawn();
        Ok(Remote { worker, client })
    }

    /// Ends the worker, if it has not ended, and tells how it did.
    async fn end(self) -> anyfork::Result<anyfork::ExitStatus> {
        let mut exited = self.worker.exited();
        // Of the socket and its duplicates. It fails if the worker has gone already.
        let _ = self.worker.socket().shutdown(Shutdown::Write);
        match timeout(GENTLE, &mut exited).await {
            Ok(how) => how,
            Err(_) => {
                self.worker.kill()?;
                exited.await
            }
        }
    }
}

/// What a call has beside its arguments: above all its deadline, in ten seconds.
fn now() -> context::Context {
    context::current()
}

/// tarpc's errors say in one sentence what failed, and in their sources why.
fn with_reasons(error: &dyn Error) -> String {
    let errors = iter::successors(Some(error), |error: &&dyn Error| (*error).source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
