//! Requests wait for a worker and become responses.

use crate::Arguments;
use crate::environ::{self, Ends};
use crate::exchange::{Errand, exchange};
use crate::idle::{Idle, Loan};
use crate::pool::Pool;
use crate::respond::{Answer, Outcome, Responder, failed};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

/// How many workers may be lost before one takes a request.
const MOST_TRIES: u32 = 5;
/// Before the next try, so that others who have died with that worker are seen to be dead.
const PAUSE: Duration = Duration::from_millis(10);

/// What all requests have in common.
pub(crate) struct Server {
    idle: Arc<Idle>,
    /// A permit for each request that may wait.
    queue: Semaphore,
    address: SocketAddr,
    /// How long a worker may take, and how long a request may wait for one.
    limit: Duration,
    wait: Duration,
}

/// A request that gets no answer from a worker.
struct Failure(StatusCode, &'static str);

impl Server {
    pub(crate) fn new(arguments: &Arguments, pool: &Pool, address: SocketAddr) -> Self {
        Server {
            idle: Arc::clone(&pool.idle),
            queue: Semaphore::new(arguments.queue as usize),
            address,
            limit: Duration::from_secs(arguments.timeout),
            wait: Duration::from_secs(arguments.wait),
        }
    }

    /// The response to a request: from a worker, or why there is none.
    pub(crate) async fn answer(&self, request: Request<Incoming>, client: SocketAddr) -> Result<Answer, Infallible> {
        let name = format!("{} {}", request.method(), request.uri().path());
        let answer = self.run(request, &name, client).await;
        Ok(answer.unwrap_or_else(|Failure(status, why)| {
            eprintln!("wsgi: {name}: {why}");
            failed(status)
        }))
    }

    async fn run(&self, request: Request<Incoming>, name: &str, client: SocketAddr) -> Result<Answer, Failure> {
        let (head, mut body) = request.into_parts();
        if head.method == Method::CONNECT {
            return Err(Failure(StatusCode::NOT_IMPLEMENTED, "this is no proxy"));
        }
        let environ = serde_json::to_vec(&environ::of_request(&head, &Ends { server: self.address, client }));
        let environ =
            environ.map_err(|_| Failure(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be told to a worker"))?;
        for _ in 0..MOST_TRIES {
            let loan = self.worker().await?;
            let (waits, outcome) = oneshot::channel();
            let errand = Errand { name: name.to_owned(), environ: environ.clone(), body };
            // Whatever becomes of the client, the worker is seen to.
            tokio::spawn(exchange(loan, errand, Responder::new(waits), self.limit));
            match outcome.await {
                Ok(Outcome::Answer(answer)) => return Ok(answer),
                Ok(Outcome::NotTaken(untouched)) => body = untouched,
                Err(_) => return Err(Failure(StatusCode::BAD_GATEWAY, "the worker has not answered")),
            }
            sleep(PAUSE).await;
        }
        Err(Failure(StatusCode::BAD_GATEWAY, "no worker takes it"))
    }

    /// Waits in the queue, if there is a place in that.
    async fn worker(&self) -> Result<Loan, Failure> {
        let busy = |why| Failure(StatusCode::SERVICE_UNAVAILABLE, why);
        let _waits = self.queue.try_acquire().map_err(|_| busy("too many requests wait"))?;
        let loan = timeout(self.wait, self.idle.take()).await.map_err(|_| busy("no worker was free in time"))?;
        loan.ok_or(busy("the server ends"))
    }
}
