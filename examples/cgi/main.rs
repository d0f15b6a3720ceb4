//! An HTTP/1.1 server that runs CGI scripts, RFC 3875: programs that get a request in their environment and standard
//! input, and write the response to standard output.
//!
//! The server is one thread with an event loop. `anyfork::Command` starts the scripts without forking it, each in a
//! session of its own with limits; starts, output and ends are awaited. A script is killed, with all that it has
//! started, when its time is over, its client has gone, or the server ends.
//!
//! Run it: `cargo run --release --example cgi -- examples/cgi/scripts --port 8080`
//! Then: `curl -d 'some text' http://127.0.0.1:8080/cgi-bin/hello.sh/more?a=b`

mod header;
mod relay;
mod script;
mod server;
mod target;
mod variables;

use clap::Parser;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use server::Server;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{io, net::SocketAddr};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// A pause for what cannot be accepted now, such as one connection too many for the limit of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// An HTTP server that runs CGI scripts.
#[derive(Debug, Parser)]
struct Arguments {
    /// Directory of the scripts: /cgi-bin/NAME runs the program NAME there.
    scripts: PathBuf,
    /// Directory that the path behind a script's name is relative to (PATH_TRANSLATED).
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    documents: PathBuf,
    /// Port to listen on; 0: any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How long a script may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    limit: u64,
    /// How many scripts may run at the same time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    at_once: u32,
    /// How many requests may wait for that.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(..=100_000))]
    queue: u32,
    /// A variable of the server's environment that scripts get, beside PATH. May be given several times.
    #[arg(long, value_name = "NAME")]
    pass_env: Vec<String>,
    /// Run each script in a process namespace of its own, so that nothing that it has started can outlive it.
    #[arg(long)]
    namespace: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cgi: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
        let server = Arc::new(Server::new(arguments, listener.local_addr()?)?);
        println!("listening on http://{}", listener.local_addr()?);
        serve(&server, listener).await?;
        server.end().await;
        println!("ended");
        Ok(())
    })
}

/// Accepts clients until Ctrl-C or SIGTERM, which ends their connections too.
async fn serve(server: &Arc<Server>, listener: TcpListener) -> io::Result<()> {
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = terminated.recv() => break,
            _ = interrupted.recv() => break,
            // Forgets those that have ended.
            Some(_) = connections.join_next() => {}
            client = listener.accept() => match client {
                Ok((client, address)) => _ = connections.spawn(serve_client(Arc::clone(server), client, address)),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    eprintln!("cgi: accept: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    connections.shutdown().await;
    Ok(())
}

/// Serves one connection beside the others, however many requests come on it.
async fn serve_client(server: Arc<Server>, client: TcpStream, address: SocketAddr) {
    // What a script writes is sent as it comes.
    let _ = client.set_nodelay(true);
    let service = service_fn(|request| server.answer(request, address));
    // The timer ends connections on which no request comes.
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(client), service);
    // A connection that breaks is the client's affair.
    let _ = connection.await;
}
