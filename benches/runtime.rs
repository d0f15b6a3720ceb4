//! Starts that are awaited, in tokio and smol, against blocking ones and `tokio::process`: `cargo bench --bench runtime`.
//!
//! The systems take turns in each round, and a ratio is the median of the ratios of the rounds, because the machine is never quiet.
//! `cargo bench --bench runtime -- ROUNDS` sets the number of rounds (9 if nothing is said). As root; else the attributes have no user.

use anyfork::{Process, Template, Worker};
use anyfork_benches::statistics::{Rounds, print_rate, rounds_or};
use anyfork_benches::workers::{self, finish};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::io::{ErrorKind, Read};
use std::time::Instant;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

#[path = "runtime/crowd.rs"]
mod crowd;

#[path = "runtime/fairness.rs"]
mod fairness;

#[path = "runtime/programs.rs"]
mod programs;

const ONE_AT_A_TIME: usize = 600;
/// Of the blocking starts, as many as in the comparison.
const BLOCKING_IN_FLIGHT: usize = 16;
const IN_FLIGHT: usize = 64;
const MANY: usize = 1920;

fn main() {
    let rounds = rounds_or(9);
    let template: &'static Template = Box::leak(Box::new(Process::new().template().expect("a template")));
    one_at_a_time(template, rounds);
    in_flight(template, rounds);
    programs::all(rounds);
    fairness::all(template, rounds);
    crowd::all(template, rounds);
}

/// Where tasks run.
pub(crate) enum Loop {
    /// tokio, one thread.
    Current(Runtime),
    /// tokio, a thread for each processor. What is measured is a task, as in a server, not the function of `block_on`.
    Multi(Runtime),
    /// The reactor of async-io, and no executor but this thread.
    Smol,
}

impl Loop {
    pub(crate) fn current() -> Self {
        Loop::Current(Builder::new_current_thread().enable_all().build().expect("a runtime"))
    }

    pub(crate) fn multi() -> Self {
        Loop::Multi(Builder::new_multi_thread().enable_all().build().expect("a runtime"))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Loop::Current(_) => "tokio current-thread",
            Loop::Multi(_) => "tokio multi-thread",
            Loop::Smol => "smol",
        }
    }

    pub(crate) fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        match self {
            Loop::Current(runtime) => runtime.block_on(future),
            Loop::Multi(runtime) => runtime.block_on(runtime.spawn(future)).expect("it does not panic"),
            Loop::Smol => async_io::block_on(future),
        }
    }

    /// So much of something that takes place in it, per second.
    pub(crate) fn per_second(&self, count: usize, future: impl Future<Output = ()> + Send + 'static) -> f64 {
        let start = Instant::now();
        self.run(future);
        count as f64 / start.elapsed().as_secs_f64()
    }
}

/// A worker, until its end-of-file is seen.
pub(crate) async fn until_end_of_file(template: &Template) {
    end_of_file(template.fork().start(finish).await.expect("a worker")).await;
}

/// A worker, until its exit status is known.
async fn until_exited(template: &Template) {
    let worker = template.fork().start(finish).await.expect("a worker");
    assert!(worker.exited().await.expect("a status").success());
}

async fn end_of_file(worker: Worker) {
    if Handle::try_current().is_err() {
        let socket = worker.into_smol_socket().expect("a socket");
        return assert_eq!(socket.read_with(|mut socket| socket.read(&mut [0])).await.expect("end-of-file"), 0);
    }
    let socket = worker.into_tokio_socket().expect("a socket");
    loop {
        socket.readable().await.expect("a readable socket");
        match socket.try_read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return assert_eq!(read.expect("end-of-file"), 0),
        }
    }
}

fn one_at_a_time(template: &'static Template, rounds: usize) {
    let loops = [Loop::current(), Loop::multi(), Loop::Smol];
    let (mut blocking, mut blocking_exited) = (Rounds::default(), Rounds::default());
    let (mut awaited, mut awaited_exited) = ([(); 3].map(|()| Rounds::default()), [(); 3].map(|()| Rounds::default()));
    workers::one_at_a_time(template, ONE_AT_A_TIME);
    for _ in 0..rounds {
        blocking.push(workers::one_at_a_time(template, ONE_AT_A_TIME));
        blocking_exited.push(workers::one_at_a_time_exited(template, ONE_AT_A_TIME));
        for (index, here) in loops.iter().enumerate() {
            awaited[index].push(here.per_second(ONE_AT_A_TIME, async {
                for _ in 0..ONE_AT_A_TIME {
                    until_end_of_file(template).await;
                }
            }));
            awaited_exited[index].push(here.per_second(ONE_AT_A_TIME, async {
                for _ in 0..ONE_AT_A_TIME {
                    until_exited(template).await;
                }
            }));
        }
    }
    println!("a function that returns at once, one at a time; median (quartiles) of {rounds} rounds");
    for (until, blocking, awaited) in
        [("end-of-file", blocking, awaited), ("the exit status", blocking_exited, awaited_exited)]
    {
        println!(" until {until} is seen");
        print_rate("blocking run", &blocking, &[]);
        for (here, rates) in loops.iter().zip(&awaited) {
            print_rate(&format!("awaited, {}", here.name()), rates, &[("blocking", &blocking, Some(0.9))]);
        }
    }
}

fn in_flight(template: &'static Template, rounds: usize) {
    let (current, multi) = (Loop::current(), Loop::multi());
    let [mut blocking, mut joined, mut joined_multi, mut unordered, mut unordered_smol] =
        [(); 5].map(|()| Rounds::default());
    for _ in 0..rounds {
        blocking.push(workers::in_flight(template, BLOCKING_IN_FLIGHT, MANY / BLOCKING_IN_FLIGHT));
        joined.push(current.per_second(MANY, tasks(template)));
        joined_multi.push(multi.per_second(MANY, tasks(template)));
        unordered.push(current.per_second(MANY, one_task(template)));
        unordered_smol.push(Loop::Smol.per_second(MANY, one_task(template)));
    }
    println!("the same, {IN_FLIGHT} awaited in flight, until end-of-file is seen");
    print_rate(&format!("blocking, {BLOCKING_IN_FLIGHT} in flight"), &blocking, &[]);
    let goal = [("blocking", &blocking, Some(1.0))];
    print_rate("tokio current-thread, tasks", &joined, &goal);
    print_rate("tokio multi-thread, tasks", &joined_multi, &goal);
    print_rate("tokio current-thread, FuturesUnordered", &unordered, &goal);
    print_rate("smol, FuturesUnordered", &unordered_smol, &goal);
}

/// A task for each in flight.
async fn tasks(template: &'static Template) {
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        tasks.spawn(async {
            for _ in 0..MANY / IN_FLIGHT {
                until_end_of_file(template).await;
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("it does not panic");
    }
}

/// All from one task.
async fn one_task(template: &'static Template) {
    let mut running: FuturesUnordered<_> = (0..IN_FLIGHT).map(|_| until_end_of_file(template)).collect();
    let mut left = MANY - IN_FLIGHT;
    while running.next().await.is_some() {
        if left > 0 {
            left -= 1;
            running.push(until_end_of_file(template));
        }
    }
}
