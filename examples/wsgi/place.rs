//! A place for one worker: a task that keeps one there, lends it to requests, and replaces it when it is lost or has done its share.

use crate::idle::{Idle, Loan};
use crate::link::Link;
use crate::pool::Source;
use anyfork::{ExitStatus, Worker};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a worker may take to end by itself.
const GENTLE: Duration = Duration::from_secs(3);
/// Before the next start, if the last one came to nothing: a fault must not keep the machine busy.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Place {
    pub(crate) source: Arc<Source>,
    pub(crate) idle: Arc<Idle>,
    pub(crate) ending: CancellationToken,
    /// How many requests a worker gets.
    pub(crate) requests: u64,
}

impl Place {
    /// Keeps a worker here until the server ends.
    pub(crate) async fn keep(self) {
        // Dropping a start gives it up: nobody is left who starts later.
        while let Some(started) = self.ending.run_until_cancelled(self.source.worker()).await {
            let was_useful = match started {
                Ok(worker) => self.employ(Arc::new(worker)).await,
                // The others go on serving.
                Err(error) => {
                    eprintln!("wsgi: no worker started: {error}");
                    false
                }
            };
            if !was_useful {
                let _ = self.ending.run_until_cancelled(sleep(PAUSE)).await;
            }
        }
    }

    /// All that happens with one worker, its end included. Says whether it was given a request.
    async fn employ(&self, worker: Arc<Worker>) -> bool {
        println!("worker {} started", worker.pid());
        let was_useful = self.lend(&worker).await.unwrap_or_else(|error| {
            eprintln!("wsgi: worker {}: {error}", worker.pid());
            false
        });
        // For the worker this is end-of-file, where the next request would begin. It fails if the worker has gone already.
        let _ = worker.socket().shutdown(Shutdown::Write);
        match ended(&worker).await {
            Ok(status) => println!("worker {} ended: {status}", worker.pid()),
            Err(error) => println!("worker {} ended: {error}", worker.pid()),
        }
        was_useful
    }

    /// Lends it to one request after the other, until it is lost, has had enough, or the server ends.
    async fn lend(&self, worker: &Arc<Worker>) -> anyfork::Result<bool> {
        let mut link = Link::new(worker.tokio_socket()?);
        let mut exited = worker.exited();
        for number in 0..self.requests {
            let (back, mut returned) = oneshot::channel();
            self.idle.put(Loan { worker: Arc::clone(worker), link, back });
            tokio::select! {
                biased;
                outcome = &mut returned => match outcome {
                    Ok(returned) => link = returned,
                    Err(_) => return Ok(true),
                },
                // Who has it now sees that `returned` is gone.
                _ = &mut exited => return Ok(!self.idle.withdraw(worker) || number > 0),
                () = self.ending.cancelled() => {
                    self.idle.withdraw(worker);
                    return Ok(true);
                }
            }
        }
        Ok(true)
    }
}

/// How the worker ended. It is killed if it takes too long.
async fn ended(worker: &Worker) -> anyfork::Result<ExitStatus> {
    let mut exited = worker.exited();
    match timeout(GENTLE, &mut exited).await {
        Ok(outcome) => outcome,
        Err(_) => {
            worker.kill()?;
            exited.await
        }
    }
}
