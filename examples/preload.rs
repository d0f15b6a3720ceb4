//! A big table, loaded once by a template and shared by all its forks.
//!
//! The workers read all of it, but the kernel keeps it in memory once: the numbers are its own, from
//! `/proc/PID/smaps_rollup`. One process that loads the table by itself stands beside them.
//!
//! Run it: `cargo run --release --example preload` (or `-- 256` for a table of 256 MB)

use anyfork::{Process, Worker};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::{env, fs};

const MEGABYTE: usize = 1 << 20;
const WORKERS: usize = 4;

static TABLE: OnceLock<Vec<u64>> = OnceLock::new();

/// Prepares a process: fills the table.
#[anyfork::entry]
fn load(entries: u64) {
    TABLE.get_or_init(|| (0..entries).map(|entry| entry.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect());
}

/// Reads the whole table, says its sum, and stays until the other end closes.
#[anyfork::entry]
fn add_up(mut socket: UnixStream) -> io::Result<()> {
    let table = TABLE.get().ok_or_else(|| io::Error::other("the table is not loaded"))?;
    let sum = table.iter().fold(0_u64, |sum, entry| sum.wrapping_add(*entry));
    socket.write_all(&sum.to_le_bytes())?;
    socket.read_to_end(&mut Vec::new()).map(drop)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let megabytes: usize = env::args().nth(1).map_or(Ok(64), |arg| arg.parse())?;
    let entries = megabytes * MEGABYTE / size_of::<u64>();

    let template = Process::new().name("table").call(load, [entries]).template()?;
    let shared = (0..WORKERS).map(|_| template.fork().blocking_socket(true).run(add_up));
    let shared = shared.collect::<Result<Vec<Worker>, _>>()?;
    // The same without a template: it has its own copy.
    let alone = Process::new().call(load, [entries]).blocking_socket(true).run(add_up)?;

    println!("A table of {megabytes} MB. In MB:\n");
    println!("{:<24} {:>8} {:>8} {:>8}   sum of the table", "process", "resident", "private", "share");
    print_row("template", template.pid(), "")?;
    for worker in &shared {
        print_row("worker of the template", worker.pid(), &sum_of(worker)?)?;
    }
    print_row("worker that loaded it", alone.pid(), &sum_of(&alone)?)?;
    println!("\nprivate: nobody else has it. share: private and its part of what several have.");
    Ok(())
}

/// Waits for the worker's sum: when it is there, the worker has read every page.
fn sum_of(worker: &Worker) -> io::Result<String> {
    let mut sum = [0; 8];
    worker.socket().read_exact(&mut sum)?;
    Ok(format!("{:016x}", u64::from_le_bytes(sum)))
}

fn print_row(what: &str, pid: u32, sum: &str) -> io::Result<()> {
    let memory = Memory::of(pid)?;
    let [resident, private, share] = [memory.resident, memory.private, memory.share].map(|kb| kb as f64 / 1024.0);
    println!("{what:<24} {resident:>8.1} {private:>8.1} {share:>8.1}   {sum}");
    Ok(())
}

/// What a process has in memory, in kB.
#[derive(Default)]
struct Memory {
    resident: u64,
    private: u64,
    /// Each page divided by the number of processes that have it.
    share: u64,
}

impl Memory {
    /// From proc_pid_smaps(5), whose lines are such as `Rss:    1234 kB`.
    fn of(pid: u32) -> io::Result<Self> {
        let mut memory = Memory::default();
        for line in fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?.lines() {
            let mut words = line.split_whitespace();
            let (Some(key), Some(Ok(kb))) = (words.next(), words.next().map(str::parse::<u64>)) else { continue };
            match key {
                "Rss:" => memory.resident = kb,
                "Pss:" => memory.share = kb,
                "Private_Clean:" | "Private_Dirty:" => memory.private += kb,
                _ => {}
            }
        }
        Ok(memory)
    }
}
