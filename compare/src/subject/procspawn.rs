//! The crate `procspawn`: a function in a new process, which is a fresh exec of this program.

use super::others;
use super::pace::{latencies, rate};
use crate::memory;
use crate::wire::{Reply, Request};
use procspawn::{Builder, JoinHandle};
use std::io::{Read, Write};
use std::process::Stdio;

pub(super) fn measure(request: &Request) -> Reply {
    match request.case.as_str() {
        "run" | "exec" => rate(request, run),
        "first-byte" => latencies(request, || {
            let mut handle = with_output(first_byte);
            handle.stdout().expect("a pipe").read_exact(&mut [0]).expect("a byte");
            || handle.join().expect("its end")
        }),
        "caller-blocked" => latencies(request, || {
            let handle = procspawn::spawn((), finish);
            || handle.join().expect("its end")
        }),
        "others-blocked" => others::blocked(request, || run(1)),
        "idle-memory" => {
            let mut handle = with_output(wait);
            handle.stdout().expect("a pipe").read_exact(&mut [0]).expect("a byte");
            // Dropping the handle ends it.
            memory::reply(None, handle.pid().expect("it lives"), None)
        }
        _ => Reply::Absent,
    }
}

fn finish((): ()) {}

fn first_byte((): ()) {
    // Not through `print!`, whose buffer is for lines.
    std::io::stdout().write_all(b"1\n").expect("somebody reads it");
}

fn wait((): ()) {
    first_byte(());
    std::thread::sleep(std::time::Duration::from_secs(60));
}

fn run(in_flight: usize) {
    let handles: Vec<JoinHandle<()>> = (0..in_flight).map(|_| procspawn::spawn((), finish)).collect();
    handles.into_iter().for_each(|handle| handle.join().expect("its end"));
}

fn with_output(function: fn(())) -> JoinHandle<()> {
    Builder::new().stdin(Stdio::null()).stdout(Stdio::piped()).spawn((), function)
}
