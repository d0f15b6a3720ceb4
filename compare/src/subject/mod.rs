//! A process that measures what the driver asks for on standard input, until end-of-file: all systems in Rust.

mod anyfork;
mod ballast;
mod others;
mod own;
mod pace;
mod procspawn;
mod programs;
mod reference;
mod spares;
mod std_process;
mod tokio_process;
mod zygote;

use crate::wire::{Reply, Request};
pub(crate) use ballast::THREADS;
pub(crate) use own::run_if_started as run_own_part;
pub(crate) use programs::is_root;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Measures until the driver closes its end.
pub(crate) fn serve(mib: u64) {
    // It is a copy of this process, so it comes before everything else, as its documentation asks.
    ::zygote::Zygote::init();
    // What panics is told in the answer.
    std::panic::set_hook(Box::new(|_| {}));
    let _ballast = ballast::fill_up_to(mib);
    let _threads = ballast::threads(mib);
    let mut anyfork = anyfork::Anyfork::default();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let reply = match Request::parse(&line) {
            Some(request) => catch_unwind(AssertUnwindSafe(|| measure(&mut anyfork, &request)))
                .unwrap_or_else(|panic| Reply::Failed(message(&*panic))),
            None => Reply::Failed(format!("a request that is none: {line}")),
        };
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{reply}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn measure(anyfork: &mut anyfork::Anyfork, request: &Request) -> Reply {
    match request.system.as_str() {
        "anyfork" => anyfork.measure(request),
        "std" => std_process::measure(request),
        "tokio" => tokio_process::measure(request),
        "procspawn" => procspawn::measure(request),
        "zygote" => zygote::measure(request),
        "pthread_create" => reference::threads(request),
        "socketpair" => reference::round_trips(request),
        "idle" => reference::idle(request),
        _ => Reply::Absent,
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
