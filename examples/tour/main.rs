//! A first look at anyfork: a template that has loaded something, ten workers forked from it, and what goes wrong.
//!
//! The template reads a list of some 300,000 words and sorts it. Ten workers share its memory and one listening socket,
//! and answer clients: which word of the list is it, and which other words have its letters?
//!
//! Run it: `cargo run --release --example tour`

mod clients;
mod failures;
mod show;
mod words;

use anyfork::{Process, Template, Worker};
use rustix::event::{PollFd, PollFlags, poll};
use show::Times;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const WORKERS: u32 = 10;
const CLIENTS: u32 = 40;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Prepares the template: runs there, once.
#[anyfork::entry]
fn load(list: PathBuf) -> io::Result<()> {
    words::load(&list)
}

/// Runs in each worker: answers clients until the main program closes the worker's socket.
#[anyfork::entry]
fn serve(socket: UnixStream, listener: TcpListener) -> io::Result<()> {
    let index = words::index()?;
    loop {
        let mut ready = [PollFd::new(&socket, PollFlags::IN), PollFd::new(&listener, PollFlags::IN)];
        poll(&mut ready, None)?;
        if !ready[0].revents().is_empty() {
            return Ok(());
        }
        match listener.accept() {
            Ok((client, _)) => clients::answer(client, index)?,
            // Another worker was faster: the socket is one for all.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn main() -> ExitCode {
    match tour() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tour: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tour() -> Result<()> {
    // Non-blocking, as a worker that finds no client must go back to watching its socket.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;

    let template = make_template(&listener)?;
    let workers = fork_workers(&template)?;

    show::section("3. Clients");
    println!("{CLIENTS} clients connect to {}, all at once.\n", listener.local_addr()?);
    clients::run(listener.local_addr()?, CLIENTS)?;

    show::section("4. The processes, as the system sees them");
    show::tree()?;

    show::section("5. What goes wrong is told");
    failures::show(&template)?;

    end_all(workers, template)
}

fn make_template(listener: &TcpListener) -> Result<Template> {
    show::section("1. A template");
    let list = words::write_list()?;
    let size = list.as_file().metadata()?.len();
    println!("The word list: {:.1} MB, {}", size as f64 / 1e6, list.path().display());

    let start = Instant::now();
    let template = Process::new()
        .name("words")
        .call(load, [list.path()]) // runs there, before any fork
        .fd(listener) // inherited by every fork
        .template()?;
    println!("The template has read it: process {}, ready after {:.1?}.", template.pid(), start.elapsed());
    println!("The list is in its memory; the file is deleted.");
    Ok(template)
}

fn fork_workers(template: &Template) -> Result<Vec<Worker>> {
    show::section("2. Ten workers");
    let mut times = Times::default();
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let start = Instant::now();
        // Returns when the new process has entered `serve`.
        workers.push(template.fork().die_with_owner(true).run(serve)?);
        times.add(start.elapsed());
    }
    let pids: Vec<String> = workers.iter().map(|worker| worker.pid().to_string()).collect();
    println!("Processes {}.", pids.join(" "));
    println!("Time per fork: {times}. Nothing is read again.");
    Ok(workers)
}

fn end_all(workers: Vec<Worker>, template: Template) -> Result<()> {
    show::section("6. The end");
    println!("The main program closes the workers' sockets, and each worker ends by itself.\n");
    show::statuses(workers)?;
    end_template(template)?;
    println!("\nWithout its workers and its template the program has these processes left:\n");
    show::tree()
}

/// Dropping a template ends it, without waiting for its end; its pidfd tells when that has come.
fn end_template(template: Template) -> io::Result<()> {
    let pidfd = template.pidfd();
    drop(template);
    if let Some(pidfd) = pidfd {
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None)?;
    }
    Ok(())
}
