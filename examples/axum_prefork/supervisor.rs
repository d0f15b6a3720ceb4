//! Keeps the workers up: a task for each.

use crate::worker::serve;
use anyfork::{ErrorKind, ExitStatus, Process, Template, Worker};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long workers may take to finish their requests.
const GENTLE: Duration = Duration::from_secs(3);
/// A worker that lived so long was a good one: its successor starts at once.
const GOOD_LIFE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Dropping it kills the workers.
pub(crate) struct Supervisor {
    places: JoinSet<()>,
    ending: CancellationToken,
}

impl Supervisor {
    /// Returns when the template is there. The workers start on their own.
    pub(crate) async fn start(listener: TcpListener, workers: u32) -> anyfork::Result<Self> {
        let source = Arc::new(Source { template: Mutex::new(make_template(&listener).await?), listener });
        let ending = CancellationToken::new();
        let places = (0..workers).map(|_| keep(Arc::clone(&source), ending.clone())).collect();
        Ok(Supervisor { places, ending })
    }

    /// Asks the workers to end, and returns when all have.
    pub(crate) async fn end(self) {
        self.ending.cancel();
        self.places.join_all().await;
    }
}

/// Keeps one worker up until the server ends.
async fn keep(source: Arc<Source>, ending: CancellationToken) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        // Dropping a start gives it up: nobody is left who starts later.
        let Some(started) = ending.run_until_cancelled(source.worker()).await else { return };
        let since = Instant::now();
        match started {
            Ok(worker) => watch_over(worker, &ending).await,
            // The others go on serving.
            Err(error) => eprintln!("axum_prefork: no worker started: {error}"),
        }
        if since.elapsed() >= GOOD_LIFE {
            pause = SHORTEST_PAUSE;
        }
        // Longer each time, so that a fault does not keep the machine busy.
        if ending.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Waits for the end of a worker, whoever brings it about.
async fn watch_over(worker: Worker, ending: &CancellationToken) {
    let pid = worker.pid();
    println!("worker {pid} started");
    let how = match ending.run_until_cancelled(worker.exited()).await {
        Some(how) => how,
        None => end_gently(&worker).await,
    };
    match how {
        Ok(status) => println!("worker {pid} ended: {status}"),
        Err(error) => println!("worker {pid} ended: {error}"),
    }
}

/// Closes the worker's socket, which tells it to finish its requests, and kills it if that takes too long.
async fn end_gently(worker: &Worker) -> anyfork::Result<ExitStatus> {
    let mut exited = worker.exited();
    // It fails if the worker has gone already.
    let _ = worker.socket().shutdown(Shutdown::Write);
    if let Ok(how) = timeout(GENTLE, &mut exited).await {
        return how;
    }
    worker.kill()?;
    exited.await
}

/// Where workers come from.
struct Source {
    /// Behind a lock, as whoever finds it dead makes another one.
    template: Mutex<Template>,
    listener: TcpListener,
}

impl Source {
    async fn worker(&self) -> anyfork::Result<Worker> {
        let mut template = self.template.lock().await;
        match fork(&template).await {
            // Somebody killed it, and with it all its workers.
            Err(error) if error.kind() == ErrorKind::TemplateGone => {
                *template = make_template(&self.listener).await?;
                fork(&template).await
            }
            outcome => outcome,
        }
    }
}

/// A template whose forks have the listener.
async fn make_template(listener: &TcpListener) -> anyfork::Result<Template> {
    Process::new().fd(listener).start_template().await
}

async fn fork(template: &Template) -> anyfork::Result<Worker> {
    template.fork().die_with_owner(true).kill_on_drop(true).start(serve).await
}
