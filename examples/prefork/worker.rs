//! A worker: accepts on the shared listener and speaks HTTP/1.1.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

/// Runs in each worker: answers requests until SIGTERM or Ctrl-C, then finishes those that have come.
#[anyfork::entry]
pub(crate) fn serve(socket: UnixStream, listener: std::net::TcpListener) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(accept(socket, listener))
}

async fn accept(socket: UnixStream, listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    socket.set_nonblocking(true)?;
    let served = Served { socket: tokio::net::UnixStream::from_std(socket)?, count: AtomicU64::new(0) };
    let served = Arc::new(served);
    // The terminal sends Ctrl-C to all of the program's processes.
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            _ = terminated.recv() => break,
            _ = interrupted.recv() => break,
            client = listener.accept() => match client {
                Ok((client, _)) => serve_client(client, Arc::clone(&served), &connections),
                // The client's trouble, not the server's: it has gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

/// Serves one connection beside the others, however many requests come on it.
fn serve_client(client: TcpStream, served: Arc<Served>, connections: &GracefulShutdown) {
    let service = service_fn(move |request| {
        let served = Arc::clone(&served);
        async move { served.answer(&request).await }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(client), service);
    let connection = connections.watch(connection);
    // A connection that breaks is the client's affair.
    tokio::spawn(async move { drop(connection.await) });
}

/// The requests that this worker has served, and the socket on which it reports them.
struct Served {
    socket: tokio::net::UnixStream,
    count: AtomicU64,
}

impl Served {
    async fn answer(&self, request: &Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let (status, text) = match request.uri().path() {
            "/" => (StatusCode::OK, format!("worker {}, request {count}\n", std::process::id())),
            // For those who want to see a worker replaced.
            "/crash" => std::process::abort(),
            path => (StatusCode::NOT_FOUND, format!("nothing at {path}\n")),
        };
        self.report().await?;
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        Ok(response)
    }

    /// Sends the main program an octet: one more request.
    async fn report(&self) -> io::Result<()> {
        loop {
            self.socket.writable().await?;
            match self.socket.try_write(b".") {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}
