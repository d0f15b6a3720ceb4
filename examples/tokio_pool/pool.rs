//! The pool: a queue of jobs, a template, and a fixed number of places with a worker each.

use crate::message::Task;
use crate::place::Place;
use crate::queue::{Failure, Job, Queue};
use crate::worker::{prepare, work};
use anyfork::{ErrorKind, Process, Template, Worker};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

/// Enough for numbers up to 1,000,000,000,000.
const PRIMES_UP_TO: u64 = 1_000_000;

/// What happens in the pool, for those who want to know.
#[derive(Debug)]
pub(crate) enum Event {
    Started { pid: u32 },
    NotStarted { error: anyfork::Error },
    Given { job: u64, worker: Arc<Worker> },
    Lost { job: u64, pid: u32, why: String, again: bool },
    Ended { pid: u32, how: String },
}

/// Dropping it kills its workers.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    places: JoinSet<()>,
    jobs: AtomicU64,
}

impl Pool {
    /// Returns when the template is prepared. The workers start on their own; what becomes of them is told as events.
    pub(crate) async fn start(workers: u32, events: &UnboundedSender<Event>) -> anyfork::Result<Self> {
        let source = Arc::new(Source { template: Mutex::new(make_template().await?) });
        let queue = Arc::new(Queue::new());
        let place = || Place::new(Arc::clone(&source), Arc::clone(&queue), events.clone());
        let places = (0..workers).map(|_| place().keep()).collect();
        Ok(Pool { queue, places, jobs: AtomicU64::new(0) })
    }

    /// Queues a task. The future, which need not be polled for that, is its answer.
    pub(crate) fn run(&self, task: Task) -> impl Future<Output = Result<Vec<u64>, Failure>> + use<> {
        let (answer, answered) = oneshot::channel();
        let number = self.jobs.fetch_add(1, Ordering::Relaxed) + 1;
        self.queue.push(Job { number, task, lost: 0, answer });
        async { answered.await.unwrap_or(Err(Failure::Ended)) }
    }

    /// Ends the workers, each when it has done the job that it has. Jobs that no worker has get [`Failure::Ended`].
    pub(crate) async fn end(self) {
        self.queue.close();
        self.places.join_all().await;
    }
}

/// Where workers come from.
#[derive(Debug)]
pub(crate) struct Source {
    /// Behind a lock, as whoever finds it dead makes another one.
    template: Mutex<Template>,
}

impl Source {
    pub(crate) async fn worker(&self) -> anyfork::Result<Worker> {
        let mut template = self.template.lock().await;
        match fork(&template).await {
            // Somebody killed it, and with it all its workers.
            Err(error) if error.kind() == ErrorKind::TemplateGone => {
                *template = make_template().await?;
                fork(&template).await
            }
            outcome => outcome,
        }
    }
}

/// A process that knows the primes, so that no worker has to find them.
async fn make_template() -> anyfork::Result<Template> {
    Process::new().call(prepare, [PRIMES_UP_TO]).start_template().await
}

async fn fork(template: &Template) -> anyfork::Result<Worker> {
    template.fork().die_with_owner(true).kill_on_drop(true).start(work).await
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Started { pid } => write!(f, "worker {pid} started"),
            Event::NotStarted { error } => write!(f, "no worker started: {error}"),
            Event::Given { job, worker } => write!(f, "job {job} is given to worker {}", worker.pid()),
            Event::Lost { job, pid, why, again: true } => write!(f, "job {job} goes back, worker {pid}: {why}"),
            Event::Lost { job, pid, why, again: false } => write!(f, "job {job} is given up, worker {pid}: {why}"),
            Event::Ended { pid, how } => write!(f, "worker {pid} ended: {how}"),
        }
    }
}
