//! An HTTP/1.1 server for Python applications: WSGI, PEP 3333. The front end is Rust, the workers are forks of an interpreter that has
//! imported the application once.
//!
//! Each worker has one request at a time. One that crashes costs that request (502), one that takes too long is killed and
//! costs that request (504); both are replaced by a fork, in a millisecond or two. No other request is lost: a worker says when
//! it takes a request, and one that nobody has taken goes to another worker. If the template is killed, its workers are killed with it, and
//! the next start makes another template.
//!
//! Bodies are passed on in both directions as they come, none is held in memory. So a client that is slow with its body takes the time
//! of a worker: a server on the open Internet has a proxy in front, as with other WSGI servers.
//!
//! Run it: `cargo run --release --example wsgi -- --directory examples/wsgi --port 8080`
//! Then: `curl http://127.0.0.1:8080/`, and `/crash`, `/sleep`, `/fail`, `/grow`, `/echo`. Any other application:
//! `--directory project --python venv/bin/python --app project.wsgi:application`

mod chunks;
mod environ;
mod exchange;
mod idle;
mod link;
mod place;
mod pool;
mod respond;
mod server;

use clap::Parser;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use pool::Pool;
use server::Server;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

/// A pause for what cannot be accepted now, such as one connection too many for the limit of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest head of a request, more or less: one of twice that length is answered by 431.
const LONGEST_HEAD: usize = 64 * 1024;

/// An HTTP server for a Python WSGI application.
#[derive(Debug, Parser)]
struct Arguments {
    /// The application: `module:object`.
    #[arg(long, value_name = "MODULE:OBJECT", default_value = "app:application")]
    app: String,
    /// Where the interpreter runs, and finds the application.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// The interpreter, 3.9 or newer: that of a virtual environment, for instance.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// How many workers.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    workers: u32,
    /// How long a worker may take for a request, with both bodies, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// How long a request may wait for a worker, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,
    /// How many requests may wait for a worker.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    queue: u32,
    /// Replace each worker after so many requests.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Port to listen on; 0: any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wsgi: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    let address = listener.local_addr()?;
    let pool = tokio::select! {
        pool = Pool::start(arguments) => pool?,
        () = signals.next() => return Ok(()),
    };
    println!("listening on http://{address}");
    let server = Arc::new(Server::new(arguments, &pool, address));
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = accept(&listener, &server, &connections) => {}
        () = signals.next() => println!("a signal: ending"),
    }
    drop(listener);
    let end = async {
        // Requests that have come are answered, if that takes no longer than one request may.
        let _ = timeout(Duration::from_secs(arguments.timeout), connections.shutdown()).await;
        pool.end().await;
    };
    tokio::select! {
        () = end => println!("ended"),
        // Workers are killed when they are dropped.
        () = signals.next() => println!("a second signal: ended by force"),
    }
    Ok(())
}

async fn accept(listener: &TcpListener, server: &Arc<Server>, connections: &GracefulShutdown) {
    loop {
        match listener.accept().await {
            Ok((client, address)) => serve_client(client, address, Arc::clone(server), connections),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                eprintln!("wsgi: accept: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Serves one connection beside the others, however many requests come on it.
fn serve_client(client: TcpStream, address: SocketAddr, server: Arc<Server>, connections: &GracefulShutdown) {
    // What an application writes is sent as it comes.
    let _ = client.set_nodelay(true);
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { server.answer(request, address).await }
    });
    // The timer ends connections on which no request comes.
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).max_buf_size(LONGEST_HEAD);
    let connection = connections.watch(http.serve_connection(TokioIo::new(client), service));
    // A connection that breaks is the client's affair.
    tokio::spawn(async move { drop(connection.await) });
}

/// Ctrl-C and SIGTERM.
struct Signals {
    terminated: Signal,
    interrupted: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals { terminated: signal(SignalKind::terminate())?, interrupted: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminated.recv() => {}
            _ = self.interrupted.recv() => {}
        }
    }
}
