//! `tokio::process::Command`, in the runtime that `#[tokio::main]` makes.

use super::others;
use super::pace::{latencies, rate};
use super::programs;
use crate::wire::{Reply, Request};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

pub(super) fn measure(request: &Request) -> Reply {
    let attributes = match request.case.as_str() {
        "command" | "caller-blocked/command" | "others-blocked/command" => false,
        "command-attrs" | "caller-blocked/command-attrs" | "others-blocked/command-attrs" => true,
        _ => return Reply::Absent,
    };
    let once = || runtime().block_on(async { runtime().spawn(status(attributes)).await.expect("it does not panic") });
    match request.case.split('/').next() {
        Some("caller-blocked") => latencies(request, || {
            let _context = runtime().enter();
            let mut child = Command::from(programs::with_std(attributes)).spawn().expect("it starts");
            move || assert!(runtime().block_on(child.wait()).expect("its end").success())
        }),
        Some("others-blocked") => others::blocked(request, once),
        _ if request.in_flight == 1 => rate(request, |_| once()),
        _ => in_tasks(request, attributes),
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime"))
}

async fn status(attributes: bool) {
    let mut command = Command::from(programs::with_std(attributes));
    assert!(command.status().await.expect("it starts").success());
}

/// A task for each in flight.
fn in_tasks(request: &Request, attributes: bool) -> Reply {
    let start = Instant::now();
    let until = start + request.length;
    let count: usize = runtime().block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..request.in_flight {
            tasks.spawn(repeat(until, attributes));
        }
        tasks.join_all().await.into_iter().sum()
    });
    Reply::Rate(count as f64 / start.elapsed().as_secs_f64())
}

async fn repeat(until: Instant, attributes: bool) -> usize {
    let mut count = 0;
    while until.saturating_duration_since(Instant::now()) > Duration::ZERO {
        status(attributes).await;
        count += 1;
    }
    count
}
