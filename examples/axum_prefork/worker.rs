//! A worker: an axum server on a socket that others serve too.

use axum::Router;
use axum::routing::get;
use std::io;
use std::os::unix;
use std::process;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

/// How long the slow answer takes.
const SLOW: Duration = Duration::from_millis(500);

/// Runs in each worker: answers requests until the main program closes the socket, then finishes those that have come.
///
/// Its runtime is made for it in the new process, after the fork: one that was forked would share its descriptors.
#[anyfork::entry(tokio)]
pub(crate) async fn serve(socket: unix::net::UnixStream, listener: std::net::TcpListener) -> io::Result<()> {
    // The terminal sends Ctrl-C to all of the program's processes. When a worker ends is for the main program to say;
    // taking the signal and doing nothing with it is to ignore it.
    let _interrupts = signal(SignalKind::interrupt())?;
    socket.set_nonblocking(true)?;
    let end = end_of(UnixStream::from_std(socket)?);
    axum::serve(TcpListener::from_std(listener)?, router()).with_graceful_shutdown(end).await
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { format!("worker {}\n", process::id()) }))
        .route("/slow", get(slow))
        // For those who want to see a worker replaced.
        .route("/crash", get(crash))
}

/// For those who want to see that the end of the server waits for its requests.
async fn slow() -> String {
    tokio::time::sleep(SLOW).await;
    format!("worker {}, slowly\n", process::id())
}

async fn crash() {
    process::abort();
}

/// Waits until the main program has closed its end of the socket. It never sends anything.
async fn end_of(mut socket: UnixStream) {
    // An error is an end too.
    let _ = socket.read(&mut [0]).await;
}
