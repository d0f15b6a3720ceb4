//! The jobs that no worker has yet.

use crate::message::Task;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, oneshot};

/// How many workers may be lost with one job before it counts as the fault of the job.
pub(crate) const MOST_TRIES: u32 = 3;

/// Why a job has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A worker answered that it cannot be done.
    Refused(String),
    /// So many workers were lost with it.
    GivenUp { tries: u32 },
    /// The pool ended before.
    Ended,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) task: Task,
    /// How many workers have been lost with it.
    pub(crate) lost: u32,
    /// Dropped without an answer, it says that the pool has ended.
    pub(crate) answer: oneshot::Sender<Result<Vec<u64>, Failure>>,
}

#[derive(Debug)]
pub(crate) struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    /// A permit for each job; closed when nobody is to take one any more.
    count: Semaphore,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Queue { jobs: Mutex::default(), count: Semaphore::new(0) }
    }

    pub(crate) fn push(&self, job: Job) {
        self.with(|jobs| jobs.push_back(job));
        self.count.add_permits(1);
    }

    /// Puts a job back whose worker was lost: it has waited long enough. Gives it up after some tries. Says whether it
    /// is tried again.
    pub(crate) fn put_back(&self, mut job: Job) -> bool {
        job.lost += 1;
        if job.lost >= MOST_TRIES {
            // Nobody may wait for the answer any more.
            let _ = job.answer.send(Err(Failure::GivenUp { tries: job.lost }));
            return false;
        }
        self.with(|jobs| jobs.push_front(job));
        self.count.add_permits(1);
        true
    }

    /// The next job; `None`: the pool ends. Dropping the future loses nothing.
    pub(crate) async fn take(&self) -> Option<Job> {
        let permit = self.count.acquire().await.ok()?;
        permit.forget();
        self.with(VecDeque::pop_front)
    }

    pub(crate) fn close(&self) {
        self.count.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.count.is_closed()
    }

    fn with<T>(&self, change: impl FnOnce(&mut VecDeque<Job>) -> T) -> T {
        change(&mut self.jobs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
