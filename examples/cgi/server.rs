//! Requests become scripts, and what these say becomes responses.

use crate::Arguments;
use crate::header::{self, Answer};
use crate::relay::{Chunks, relay};
use crate::script::{Script, feed};
use crate::target::Target;
use crate::variables::{self, Ends};
use anyfork::{Command, Namespaces, Process, Template};
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, io};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

/// How often one script may send the server to another.
const MOST_REDIRECTS: usize = 10;

const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];

type Reply = Response<Either<Full<Bytes>, Chunks>>;

/// What all requests have in common.
pub(crate) struct Server {
    template: Template,
    address: SocketAddr,
    scripts: PathBuf,
    documents: PathBuf,
    environment: Vec<(String, OsString)>,
    namespaces: Namespaces,
    limit: Duration,
    at_once: u32,
    /// A permit for each script that may run.
    running: Arc<Semaphore>,
    /// The same, and one for each request that may wait.
    admitted: Arc<Semaphore>,
    /// The tasks that copy what scripts read and write.
    copies: Mutex<JoinSet<()>>,
}

/// The right to run a script.
#[derive(Debug)]
pub(crate) struct Place {
    _running: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
}

/// A request that gets no answer from a script.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    why: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Failure { status, why: why.into() }
    }
}

fn bad_script(error: impl ToString) -> Failure {
    Failure::new(StatusCode::BAD_GATEWAY, error.to_string())
}

fn too_late(_: Elapsed) -> Failure {
    Failure::new(StatusCode::GATEWAY_TIMEOUT, "the script did not answer in time")
}

impl Server {
    pub(crate) fn new(arguments: &Arguments, address: SocketAddr) -> io::Result<Self> {
        let canonical = |path: &PathBuf| {
            path.canonicalize().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        };
        let passed = ["PATH".to_owned()].into_iter().chain(arguments.pass_env.iter().cloned());
        let server = Server {
            // Now, as the event loop must not wait for that later.
            template: Process::new().name("scripts").template()?,
            address,
            scripts: canonical(&arguments.scripts)?,
            documents: canonical(&arguments.documents)?,
            environment: passed.filter_map(|name| env::var_os(&name).map(|value| (name, value))).collect(),
            namespaces: if arguments.namespace { own_processes() } else { Namespaces::default() },
            limit: Duration::from_secs(arguments.limit),
            at_once: arguments.at_once,
            running: Arc::new(Semaphore::new(arguments.at_once as usize)),
            admitted: Arc::new(Semaphore::new((arguments.at_once + arguments.queue) as usize)),
            copies: Mutex::default(),
        };
        // A system that has no such namespaces says so now.
        server.template.command("/bin/true").namespaces(server.namespaces).die_with_owner(true).status()?;
        Ok(server)
    }

    /// The response to a request: from a script, or why there is none.
    pub(crate) async fn answer(&self, request: Request<Incoming>, client: SocketAddr) -> Result<Reply, Infallible> {
        let path = request.uri().path().to_owned();
        let outcome = self.run(request, client).await;
        Ok(outcome.unwrap_or_else(|Failure { status, why }| {
            if status.is_server_error() {
                eprintln!("cgi: {path}: {status}: {why}");
            }
            failed(status)
        }))
    }

    /// Runs a script, and then those to which it redirects.
    async fn run(&self, request: Request<Incoming>, client: SocketAddr) -> Result<Reply, Failure> {
        let (mut head, body) = request.into_parts();
        if !METHODS.contains(&head.method) {
            return Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "no script has this method"));
        }
        // A script must know the length before it reads: RFC 3875, 4.1.2.
        let Some(length) = body.size_hint().exact() else {
            return Err(Failure::new(StatusCode::LENGTH_REQUIRED, "the length of the body is not known"));
        };
        let mut body = (length > 0).then_some((length, body));
        let mut target = Target::find(&self.scripts, &head.uri)?;
        let place = Arc::new(self.take_place().await?);
        for _ in 0..MOST_REDIRECTS {
            let deadline = Instant::now() + self.limit;
            let (length, input) = body.take().map_or((0, None), |(length, body)| (length, Some(body)));
            let mut command = self.command(&head, length, &target, client);
            let script = Script::start(&mut command, input.is_some(), Arc::clone(&place));
            let mut script = timeout_at(deadline, script).await.map_err(too_late)?.map_err(bad_script)?;
            if let (Some(pipe), Some(body)) = (script.take_input(), input) {
                self.spawn(feed(pipe, body, deadline));
            }
            let text = timeout_at(deadline, script.header()).await.map_err(too_late)?.map_err(bad_script)?;
            match header::parse(&text).map_err(bad_script)? {
                Answer::Document { status, fields } => return Ok(self.respond(&head, status, fields, script, deadline)),
                Answer::LocalRedirect(uri) => {
                    target = Target::find(&self.scripts, &uri)?;
                    head.uri = uri;
                    head.method = if head.method == Method::HEAD { Method::HEAD } else { Method::GET };
                }
            }
        }
        Err(bad_script("the scripts redirect without an end"))
    }

    fn command(&self, head: &Parts, length: u64, target: &Target, client: SocketAddr) -> Command {
        let ends = Ends { server: self.address, client, documents: &self.documents };
        let mut command = self.template.command(&target.file);
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(variables::of_request(head, length, target, &ends))
            .current_dir(&self.scripts)
            .namespaces(self.namespaces);
        command
    }

    /// Waits in the queue, if there is a place in that.
    async fn take_place(&self) -> Result<Place, Failure> {
        let busy = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "too many scripts run");
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| busy())?;
        let running = timeout(self.limit, Arc::clone(&self.running).acquire_owned()).await;
        match running {
            Ok(Ok(running)) => Ok(Place { _running: running, _admitted: admitted }),
            _ => Err(busy()),
        }
    }

    /// The response that a script's header describes. Its body comes from a task, whose time does not depend on the client's.
    fn respond(&self, head: &Parts, status: StatusCode, fields: HeaderMap, script: Script, deadline: Instant) -> Reply {
        let (sender, mut chunks) = mpsc::channel(4);
        let has_body =
            head.method != Method::HEAD && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
        self.spawn(relay(script, head.uri.path().to_owned(), sender, deadline));
        let body = if has_body {
            Either::Right(Chunks(chunks))
        } else {
            // Whatever the script writes, it may write it to its end.
            self.spawn(async move { while chunks.recv().await.is_some() {} });
            Either::Left(Full::default())
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        response
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        while copies.try_join_next().is_some() {}
        copies.spawn(task);
    }

    /// Ends the scripts whose connections have ended, and returns when all have gone.
    pub(crate) async fn end(&self) {
        let mut copies = std::mem::take(&mut *self.copies.lock().unwrap_or_else(PoisonError::into_inner));
        copies.shutdown().await;
        // Each gives its place back when it has been killed.
        let _ = self.running.acquire_many(self.at_once).await;
    }
}

/// A namespace of processes; without privileges it takes one of users too, in which the script seems to be root.
fn own_processes() -> Namespaces {
    match rustix::process::geteuid().is_root() {
        true => Namespaces::PID,
        false => Namespaces::USER | Namespaces::PID,
    }
}

/// The details are for the server's owner, not for its clients.
fn failed(status: StatusCode) -> Reply {
    let mut response = Response::new(Either::Left(Full::from(format!("{status}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}
