//! An axum server whose workers are processes: one listening socket, bound by the main program and shared by all of them.
//!
//! Each worker has a tokio runtime of its own, of one thread, and accepts on the shared socket; the kernel gives a connection
//! to whoever is first. A crash costs the requests of one worker, and another worker takes its place. On Ctrl-C or
//! SIGTERM workers finish the requests that they have; after three seconds, or at a second signal, they are killed.
//!
//! `prefork` does the same by hand, with poll(2) and hyper. Here all of it is awaited.
//!
//! Run it: `cargo run --release --example axum_prefork -- --port 8080`, then `curl http://127.0.0.1:8080/`
//! A worker that dies is replaced: `curl http://127.0.0.1:8080/crash`

mod supervisor;
mod worker;

use clap::Parser;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use supervisor::Supervisor;
use tokio::signal::unix::{SignalKind, signal};

/// An axum server with worker processes.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many workers.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    workers: u32,
    /// Port to listen on; 0: any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum_prefork: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> io::Result<()> {
    // Before the workers, so that no signal finds the program without them.
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = listen((Ipv4Addr::LOCALHOST, arguments.port).into())?;
    let address = listener.local_addr()?;
    let supervisor = Supervisor::start(listener, arguments.workers).await?;
    println!("listening on http://{address}");

    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    println!("a signal: ending");
    tokio::select! {
        () = supervisor.end() => println!("ended"),
        // Dropping the supervisor kills its workers.
        _ = terminated.recv() => println!("a second signal: ended by force"),
        _ = interrupted.recv() => println!("a second signal: ended by force"),
    }
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("listen on {address}: {error}")))?;
    // It is one open socket for all, and so is this flag; the workers' runtimes must never block on it.
    listener.set_nonblocking(true)?;
    Ok(listener)
}
