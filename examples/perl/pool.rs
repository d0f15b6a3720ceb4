//! "Create a pool of server processes all accepting on the same socket."

use crate::{Result, perl};
use anyfork::Worker;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};

pub(crate) fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;

    // A pool template: its modules are loaded once, and every fork has the listener.
    let pool = perl().require("POSIX").require("My::Server").fd(&listener).template()?;
    let servers: Vec<Worker> = (1..=10)
        .map(|id| pool.fork().arg(id).kill_on_drop(true).run("My::Server::run"))
        .collect::<anyfork::Result<_>>()?;

    // As many clients at once: each has a server to itself.
    let mut clients = Vec::new();
    for _ in &servers {
        clients.push(BufReader::new(TcpStream::connect(address)?));
    }
    let mut ids = Vec::new();
    for client in &mut clients {
        let mut line = String::new();
        client.read_line(&mut line)?;
        ids.push(line.trim_end().parse::<u32>()?);
    }
    ids.sort();
    println!("pool: ten clients at once were served by {ids:?}");
    Ok(())
}
