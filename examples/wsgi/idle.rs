//! The workers that wait for a request, and the requests that wait for a worker.

use crate::link::Link;
use anyfork::Worker;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, oneshot};

/// A worker for one request. Whoever has it gives its link back; if it is dropped, the worker is useless and is replaced.
#[derive(Debug)]
pub(crate) struct Loan {
    pub(crate) worker: Arc<Worker>,
    pub(crate) link: Link,
    /// Closed when the worker has ended.
    pub(crate) back: oneshot::Sender<Link>,
}

#[derive(Debug)]
pub(crate) struct Idle {
    loans: Mutex<VecDeque<Loan>>,
    /// A permit for each. Who waits for one is served in turn.
    count: Semaphore,
}

impl Idle {
    pub(crate) fn new() -> Self {
        Idle { loans: Mutex::default(), count: Semaphore::new(0) }
    }

    pub(crate) fn put(&self, loan: Loan) {
        self.with(|loans| loans.push_back(loan));
        self.count.add_permits(1);
    }

    /// The next worker. `None`: the server ends. Dropping the future loses nothing.
    pub(crate) async fn take(&self) -> Option<Loan> {
        loop {
            self.count.acquire().await.ok()?.forget();
            // It may have been withdrawn by now.
            if let Some(loan) = self.with(VecDeque::pop_front) {
                return Some(loan);
            }
        }
    }

    /// Takes a worker back that is not to get a request. Says whether it had none.
    pub(crate) fn withdraw(&self, worker: &Arc<Worker>) -> bool {
        let position = |loans: &VecDeque<Loan>| loans.iter().position(|loan| Arc::ptr_eq(&loan.worker, worker));
        let withdrawn = self.with(|loans| position(loans).and_then(|position| loans.remove(position)));
        if withdrawn.is_some() {
            self.count.forget_permits(1);
        }
        withdrawn.is_some()
    }

    pub(crate) fn close(&self) {
        self.count.close();
    }

    fn with<T>(&self, change: impl FnOnce(&mut VecDeque<Loan>) -> T) -> T {
        change(&mut self.loans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
