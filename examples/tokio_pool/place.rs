//! A place in the pool: a task that keeps one worker there, gives it jobs, and replaces it when it is lost.

use crate::message::{Messages, Reply, Request};
use crate::pool::{Event, Source};
use crate::queue::{Failure, Job, Queue};
use anyfork::Worker;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{sleep, timeout};

/// A worker that takes longer with a job hangs.
const JOB_TIME: Duration = Duration::from_secs(10);
/// How long a worker may take to end by itself, when its socket has ended.
const GENTLE: Duration = Duration::from_secs(3);
/// Before the next start, if the last one came to nothing: a fault must not keep the machine busy.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Place {
    source: Arc<Source>,
    queue: Arc<Queue>,
    events: UnboundedSender<Event>,
}

/// How the time of a worker with the pool came to its end.
enum Parting {
    /// The pool ends.
    Ending,
    /// The worker is useless from now on.
    Lost,
}

impl Place {
    pub(crate) fn new(source: Arc<Source>, queue: Arc<Queue>, events: UnboundedSender<Event>) -> Self {
        Place { source, queue, events }
    }

    /// Keeps a worker here until the queue is closed.
    pub(crate) async fn keep(self) {
        while !self.queue.is_closed() {
            match self.source.worker().await {
                Ok(worker) => self.employ(Arc::new(worker)).await,
                Err(error) => {
                    self.tell(Event::NotStarted { error });
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// All that happens with one worker, its end included.
    async fn employ(&self, worker: Arc<Worker>) {
        let pid = worker.pid();
        self.tell(Event::Started { pid });
        let mut done = 0;
        let parting = match worker.tokio_socket() {
            Ok(socket) => self.work_with(&worker, &mut Messages::new(socket), &mut done).await,
            Err(error) => {
                self.tell(Event::NotStarted { error });
                Parting::Lost
            }
        };
        // For the worker this is end-of-file. It fails if the worker has gone already.
        let _ = worker.socket().shutdown(Shutdown::Write);
        let how = ended(&worker, GENTLE).await.map_or_else(|error| error.to_string(), |status| status.to_string());
        self.tell(Event::Ended { pid, how });
        if matches!(parting, Parting::Lost) && done == 0 {
            sleep(PAUSE).await;
        }
    }

    /// Gives the worker one job after the other.
    async fn work_with(&self, worker: &Arc<Worker>, messages: &mut Messages, done: &mut u64) -> Parting {
        loop {
            let job = tokio::select! {
                job = self.queue.take() => job,
                // It was asked nothing, so this is its end or nonsense.
                _ = messages.receive::<Reply>() => return Parting::Lost,
            };
            let Some(job) = job else { return Parting::Ending };
            self.tell(Event::Given { job: job.number, worker: Arc::clone(worker) });
            match ask(messages, &job).await {
                // Nobody may wait for the answer any more.
                Ok(outcome) => _ = job.answer.send(outcome.map_err(Failure::Refused)),
                Err(error) => {
                    self.lose(job, worker, &error);
                    return Parting::Lost;
                }
            }
            *done += 1;
        }
    }

    /// The worker is lost, and the job is for another one.
    fn lose(&self, job: Job, worker: &Worker, error: &io::Error) {
        // One that has ended by itself is to tell how; what still runs, against the rules, must not go on with the job.
        if !is_end(error) {
            let _ = worker.kill();
        }
        let (number, pid, why) = (job.number, worker.pid(), error.to_string());
        let again = self.queue.put_back(job);
        self.tell(Event::Lost { job: number, pid, why, again });
    }

    fn tell(&self, event: Event) {
        // Nobody may listen.
        let _ = self.events.send(event);
    }
}

/// One request and its reply.
///
/// The worker's end is seen by the end of its socket, and not by [`Worker::exited`], as a reply may be in the socket of a worker
/// that has ended.
async fn ask(messages: &mut Messages, job: &Job) -> io::Result<Result<Vec<u64>, String>> {
    let exchange = async {
        messages.send(&Request { job: job.number, task: job.task.clone() }).await?;
        messages.receive::<Reply>().await
    };
    match timeout(JOB_TIME, exchange).await {
        Ok(Ok(Some(reply))) if reply.job == job.number => Ok(reply.outcome),
        Ok(Ok(Some(reply))) => Err(io::Error::other(format!("it answers job {}", reply.job))),
        Ok(Ok(None)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Whether the socket has ended: that of a process which is killed with something unread is reset.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

/// How the worker ended. It is killed if it takes longer than `patience`.
async fn ended(worker: &Worker, patience: Duration) -> anyfork::Result<anyfork::ExitStatus> {
    let mut exited = worker.exited();
    match timeout(patience, &mut exited).await {
        Ok(outcome) => outcome,
        Err(_) => {
            worker.kill()?;
            exited.await
        }
    }
}
