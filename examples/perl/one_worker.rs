//! "Create a single new process, tell it to run your worker function."

use crate::{Result, perl};
use std::io::{Read, Write};
use std::net::Shutdown;

pub(crate) fn run() -> Result<()> {
    let worker = perl().require("MyModule").blocking_socket(true).run("MyModule::worker")?;
    let mut socket = worker.socket();
    socket.write_all(b"hello\nfrom rust\n")?;
    socket.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    println!("one worker: {answer:?} ({})", worker.wait()?);
    Ok(())
}
