//! A pre-forked HTTP/1.1 server: one listening socket, several workers that accept on it, a main program that watches.
//!
//! The main program makes the listener, forks the workers from a template, replaces those that die, and ends all on
//! Ctrl-C or SIGTERM: first gently (requests that have come are answered), then, after three seconds or at a second
//! signal, by force. Each worker builds its own tokio runtime, after the fork: a runtime has threads and descriptors
//! that must not be forked.
//!
//! Run it: `cargo run --release --example prefork -- --port 8080`, then `curl http://127.0.0.1:8080/`
//! A worker that dies is replaced: `curl http://127.0.0.1:8080/crash`

mod pool;
mod slot;
mod worker;

use clap::Parser;
use pool::Pool;
use rustix::event::{PollFd, PollFlags};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long workers may take to end by themselves.
const GENTLE: Duration = Duration::from_secs(3);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A pre-forked HTTP server.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many workers.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    workers: u32,
    /// End after so many requests, of all workers together.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Port to listen on; 0: any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prefork: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let mut signals = signals()?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))?;
    // It is one open socket for all; the workers' runtimes must never block on it.
    listener.set_nonblocking(true)?;
    let mut pool = Pool::start(&listener, arguments.workers)?;
    println!("listening on http://{}", listener.local_addr()?);

    serve(&mut pool, &mut signals, arguments.requests.unwrap_or(u64::MAX))?;
    end(&mut pool, &mut signals)?;
    println!("served {} requests", pool.served());
    Ok(())
}

/// SIGINT and SIGTERM as octets in a socket, so that poll(2) sees them.
fn signals() -> Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    pipe::register(SIGINT, writer.try_clone()?)?;
    pipe::register(SIGTERM, writer)?;
    Ok(reader)
}

/// Keeps the workers up until a signal comes or so many requests have been served.
fn serve(pool: &mut Pool, signals: &mut UnixStream, requests: u64) -> Result<()> {
    while pool.served() < requests {
        let signalled = pool.wait(signals, pool.next_start())?;
        if signalled && take_signals(signals)? {
            println!("a signal: ending");
            break;
        }
        pool.look()?;
        pool.fill();
    }
    Ok(())
}

/// Asks the workers to end, and waits for that; kills those that do not.
fn end(pool: &mut Pool, signals: &mut UnixStream) -> Result<()> {
    pool.ask_to_end()?;
    let mut force_at = Some(Instant::now() + GENTLE);
    while pool.any_runs() {
        let signalled = pool.wait(signals, force_at)?;
        let again = signalled && take_signals(signals)?;
        if force_at.is_some_and(|at| again || at <= Instant::now()) {
            pool.kill()?;
            force_at = None;
        }
        pool.look()?;
    }
    Ok(())
}

/// Empties the socket; says whether there was a signal in it.
fn take_signals(signals: &mut UnixStream) -> Result<bool> {
    match signals.read(&mut [0; 64]) {
        Ok(count) => Ok(count > 0),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Readable: what all of this waits for.
fn readable<'a>(fd: &'a impl std::os::fd::AsFd) -> PollFd<'a> {
    PollFd::new(fd, PollFlags::IN)
}
