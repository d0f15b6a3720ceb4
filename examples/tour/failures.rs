//! What goes wrong: typed errors for a start that fails, the true status for a process that ends badly.

use crate::{Result, load, serve};
use anyfork::{Process, Template, Worker};
use std::io;
use std::os::unix::net::UnixStream;

#[anyfork::entry]
fn abort() {
    std::process::abort()
}

#[anyfork::entry]
fn sleep(mut socket: UnixStream) -> io::Result<()> {
    // Until the other end is closed, which is never while the worker is waited for.
    io::copy(&mut socket, &mut io::sink()).map(drop)
}

#[anyfork::entry]
fn give_up() -> std::process::ExitCode {
    std::process::ExitCode::from(42)
}

pub(crate) fn show(template: &Template) -> Result<()> {
    println!("Starts that fail (no worker is left of them):\n");
    // The listener comes from the template; `serve` wants nothing more.
    refused("an input too many", template.fork().arg("eighty").run(serve));
    refused("no listener", Process::new().run(serve));
    refused("a name that is wrong", template.fork().run("tour::serv"));
    refused("a preparation that fails", Process::new().call(load, ["/no/such/list"]).run(serve));

    println!("\nWorkers that end badly (no children of this program, yet their statuses are the true ones):\n");
    ended("it called abort", &Process::new().run(abort)?)?;
    let killed = Process::new().run(sleep)?;
    killed.kill()?;
    ended("it was killed", &killed)?;
    ended("it returned code 42", &Process::new().run(give_up)?)
}

fn refused(what: &str, outcome: anyfork::Result<Worker>) {
    match outcome {
        Err(error) => println!("  {what}: {:?}\n      {error}", error.kind()),
        Ok(worker) => println!("  {what}: started all the same, as process {}", worker.pid()),
    }
}

fn ended(what: &str, worker: &Worker) -> Result<()> {
    println!("  {what}: {}", worker.wait()?);
    Ok(())
}
