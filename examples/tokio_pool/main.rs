//! A pool of workers in tokio: jobs are JSON documents over the workers' sockets, and a worker that dies costs nothing but time.
//!
//! Each worker is a fork of a template that has prepared what all of them need. A task per worker gives it jobs. If the
//! worker dies in the middle of one, the task sees the end of its socket, gives the job back, waits for the exit status and starts
//! another worker. A job with which three workers were lost is given up.
//!
//! The main program does some jobs, kills a worker in the middle of one, and shows that all are answered all the same.
//!
//! Run it: `cargo run --release --example tokio_pool`, and `... -- --poison` for a job that no worker survives.

mod message;
mod place;
mod pool;
mod queue;
mod worker;

use clap::Parser;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use message::Task;
use pool::{Event, Pool};
use queue::Failure;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// The first number to be factored.
const FIRST: u64 = 600_851_475_143;

/// A pool of workers that outlives its workers.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many workers.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    workers: u32,
    /// How many jobs.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    jobs: u64,
    /// How long each takes.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(..=5000))]
    milliseconds: u64,
    /// How many workers to kill, each in the middle of a job.
    #[arg(long, value_name = "N", default_value_t = 1)]
    kills: u64,
    /// Add a job that no worker survives.
    #[arg(long)]
    poison: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(tally) if tally.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tokio_pool: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> io::Result<Tally> {
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, mut events) = mpsc::unbounded_channel();
    let pool = Pool::start(arguments.workers, &sender).await?;
    drop(sender);
    let tasks = (1..).zip(tasks(arguments));
    let mut answers: FuturesUnordered<_> = tasks.map(|(job, task)| answer(job, task, &pool)).collect();
    let half_a_job = Duration::from_millis(arguments.milliseconds / 2);
    let mut killer = Killer { at: arguments.jobs / 2 + 1, left: arguments.kills, half_a_job };
    let mut tally = Tally::default();
    while !answers.is_empty() {
        tokio::select! {
            Some((job, task, outcome)) = answers.next() => tally.take(job, &task, &outcome),
            Some(event) = events.recv() => {
                println!("{event}");
                killer.see(&event);
            }
            _ = terminated.recv() => break,
            _ = interrupted.recv() => break,
        }
    }
    println!("ending");
    tokio::select! {
        () = pool.end() => {}
        // A second signal: dropping the pool kills its workers.
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    // Every job gets an answer now, if only that it was not done.
    while let Some((job, task, outcome)) = answers.next().await {
        tally.take(job, &task, &outcome);
    }
    while let Some(event) = events.recv().await {
        println!("{event}");
    }
    println!("{} jobs answered, {} failed, {} not done", tally.answered, tally.failed, tally.not_done);
    Ok(tally)
}

fn tasks(arguments: &Arguments) -> impl Iterator<Item = Task> {
    let milliseconds = arguments.milliseconds;
    let numbers = FIRST..FIRST + arguments.jobs;
    let factors = numbers.map(move |number| Task::Factor { number, milliseconds });
    arguments.poison.then_some(Task::Abort).into_iter().chain(factors)
}

/// Queues a job at once; the future is its answer.
fn answer(job: u64, task: Task, pool: &Pool) -> impl Future<Output = (u64, Task, Outcome)> + use<> {
    let outcome = pool.run(task.clone());
    async move { (job, task, outcome.await) }
}

type Outcome = Result<Vec<u64>, Failure>;

/// What became of the jobs.
#[derive(Debug, Default)]
struct Tally {
    answered: u64,
    failed: u64,
    not_done: u64,
}

impl Tally {
    fn take(&mut self, job: u64, task: &Task, outcome: &Outcome) {
        match (task, outcome) {
            (Task::Factor { number, .. }, Ok(factors)) if factors.iter().product::<u64>() == *number => {
                self.answered += 1;
                let factors: Vec<String> = factors.iter().map(u64::to_string).collect();
                println!("job {job}: {number} = {}", factors.join(" * "));
            }
            (_, Err(Failure::Ended)) => self.not_done += 1,
            (_, outcome) => {
                self.failed += 1;
                println!("job {job} failed: {outcome:?}");
            }
        }
    }
}

/// Kills workers in the middle of a job, so that there is something to see.
struct Killer {
    /// The first job whose worker is killed.
    at: u64,
    left: u64,
    half_a_job: Duration,
}

impl Killer {
    fn see(&mut self, event: &Event) {
        let Event::Given { job, worker } = event else { return };
        if *job < self.at || self.left == 0 {
            return;
        }
        self.left -= 1;
        let (job, worker, half_a_job) = (*job, Arc::clone(worker), self.half_a_job);
        tokio::spawn(async move {
            tokio::time::sleep(half_a_job).await;
            println!("killing worker {} in the middle of job {job}", worker.pid());
            if let Err(error) = worker.kill() {
                eprintln!("tokio_pool: {error}");
            }
        });
    }
}
