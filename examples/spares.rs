//! Requests that are each served by a process of their own, from a template whose memory makes a fork slow.
//!
//! With `spares` the template forks in advance, between the requests: what a request waits for is only that a process
//! which is there already gets its orders.
//!
//! Run it: `cargo run --release --example spares` (or `-- 1000` for a template of 1000 MB)

use anyfork::{Process, Spares, Template};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, thread};

const REQUESTS: usize = 40;

static TABLE: OnceLock<Vec<u8>> = OnceLock::new();

/// Prepares the template: fills its memory.
#[anyfork::entry]
fn load(megabytes: usize) {
    TABLE.get_or_init(|| (0..megabytes << 20).map(|at| at as u8).collect());
}

/// Serves one request.
#[anyfork::entry]
fn answer(mut socket: UnixStream, at: usize) -> io::Result<()> {
    let table = TABLE.get().ok_or_else(|| io::Error::other("the table is not loaded"))?;
    writeln!(socket, "{}", table[at])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let megabytes: usize = env::args().nth(1).map_or(Ok(256), |arg| arg.parse())?;
    let template = Process::new().call(load, [megabytes]).template()?;
    println!("{REQUESTS} requests to a template of {megabytes} MB, each answered by a process of its own:\n");
    println!("{:<12} {:>12} {:>12}", "", "median in µs", "slowest");

    print_row("forked then", serve(&template)?);

    // When two are left, it forks six more, and not before the request that took the last has had a millisecond.
    // A request that finds none is served by a fork, as before.
    template.spares(Spares::new(2..=8).delay(Duration::from_millis(1)))?;
    print_row("in advance", serve(&template)?);

    let kilobytes = template.spares_memory() / 1024;
    println!("\n{} wait for more, and cost {kilobytes} kB, and a descriptor each", template.spares_waiting());
    template.spares(0..=0)?;
    println!("then {} do", template.spares_waiting());
    Ok(())
}

/// How long each request took, from its arrival to its answer.
fn serve(template: &Template) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for at in 0..REQUESTS {
        let arrived = Instant::now();
        let worker = template.fork().arg(at).blocking_socket(true).run(answer)?;
        let mut text = String::new();
        worker.socket().read_to_string(&mut text)?;
        times.push(arrived.elapsed());
        assert_eq!(text.trim(), (at as u8).to_string());
        assert!(worker.wait()?.success());
        // The next one comes a little later.
        thread::sleep(Duration::from_millis(5));
    }
    times.sort();
    Ok(times)
}

fn print_row(what: &str, times: Vec<Duration>) {
    let [median, slowest] = [times[times.len() / 2], times[times.len() - 1]].map(|time| time.as_micros());
    println!("{what:<12} {median:>12} {slowest:>12}");
}
