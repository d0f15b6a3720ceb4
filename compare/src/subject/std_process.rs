//! `std::process::Command`: external programs, and this program itself, which is what one starts as a worker without anyfork.

use super::others;
use super::own;
use super::pace::{latencies, rate};
use super::programs;
use crate::memory;
use crate::wire::{Reply, Request};
use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

pub(super) fn measure(request: &Request) -> Reply {
    match request.case.split_once('/').unwrap_or((&request.case, "")) {
        (_, "command") | ("command", _) => command(request, false),
        (_, "command-attrs") | ("command-attrs", _) => command(request, true),
        ("run" | "exec", _) => rate(request, run),
        ("first-byte", _) => latencies(request, || {
            let mut child = start("first-byte");
            read_byte(&mut child);
            || see_end(child)
        }),
        ("caller-blocked", _) => latencies(request, || {
            let child = start("end");
            || see_end(child)
        }),
        ("others-blocked", _) => others::blocked(request, || run(1)),
        ("idle-memory", _) => {
            let mut child = own::command("wait").stdin(Stdio::piped()).spawn().expect("it starts");
            read_byte(&mut child);
            let reply = memory::reply(None, child.id(), None);
            child.wait().expect("its end");
            reply
        }
        _ => Reply::Absent,
    }
}

fn run(in_flight: usize) {
    let children: Vec<Child> = (0..in_flight).map(|_| start("end")).collect();
    children.into_iter().for_each(see_end);
}

fn start(part: &str) -> Child {
    own::command(part).spawn().expect("it starts")
}

fn read_byte(child: &mut Child) {
    child.stdout.as_mut().expect("a pipe").read_exact(&mut [0]).expect("a byte");
}

/// End-of-file, as for workers, and the status, as there must not be zombies.
fn see_end(mut child: Child) {
    let mut rest = Vec::new();
    child.stdout.as_mut().expect("a pipe").read_to_end(&mut rest).expect("end-of-file");
    child.wait().expect("its end");
}

fn command(request: &Request, attributes: bool) -> Reply {
    let once = || assert!(programs::with_std(attributes).status().expect("it starts").success());
    match request.case.split('/').next() {
        Some("caller-blocked") => latencies(request, || {
            let mut child = programs::with_std(attributes).spawn().expect("it starts");
            move || assert!(child.wait().expect("its end").success())
        }),
        Some("others-blocked") => others::blocked(request, once),
        _ if request.in_flight == 1 => rate(request, |_| once()),
        _ => in_threads(request, once),
    }
}

/// A thread for each in flight.
fn in_threads(request: &Request, once: impl Fn() + Sync) -> Reply {
    let (count, start) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..request.in_flight {
            scope.spawn(|| {
                while start.elapsed() < request.length {
                    once();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    Reply::Rate(count.into_inner() as f64 / start.elapsed().as_secs_f64())
}
