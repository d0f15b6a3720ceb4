//! From what a worker says to the response that a client gets.

use crate::chunks::{Chunker, Chunks, chunks};
use crate::link::Head;
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::oneshot::Sender;

pub(crate) type Answer = Response<Either<Full<Bytes>, Chunks>>;

/// What became of a request that a worker was given.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Answer),
    /// The worker has ended before it has taken the request, whose body has not been touched: it is for another worker.
    NotTaken(Incoming),
}

/// Fields that are the server's affair.
const HOP_BY_HOP: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"];

/// The client of one request. It may have gone: then what it is told is lost.
#[derive(Debug)]
pub(crate) struct Responder {
    waits: Option<Sender<Outcome>>,
    reads: Option<Chunker>,
}

impl Responder {
    pub(crate) fn new(waits: Sender<Outcome>) -> Self {
        Responder { waits: Some(waits), reads: None }
    }

    /// Sends the head. Its body follows.
    pub(crate) fn head(&mut self, head: &Head) -> Result<(), String> {
        let mut response = response(head)?;
        let (sender, body) = chunks();
        *response.body_mut() = Either::Right(body);
        self.reads = Some(sender);
        self.outcome(Outcome::Answer(response));
        Ok(())
    }

    pub(crate) async fn data(&self, data: Bytes) {
        if let Some(client) = &self.reads {
            let _ = client.send(Some(data)).await;
        }
    }

    pub(crate) async fn end(&self) {
        if let Some(client) = &self.reads {
            let _ = client.send(None).await;
        }
    }

    /// There is nothing more to come. A client that has the head is cut off.
    pub(crate) fn fail(&mut self, status: StatusCode) {
        self.reads = None;
        self.outcome(Outcome::Answer(failed(status)));
    }

    pub(crate) fn not_taken(mut self, body: Incoming) {
        self.outcome(Outcome::NotTaken(body));
    }

    fn outcome(&mut self, outcome: Outcome) {
        if let Some(client) = self.waits.take() {
            let _ = client.send(outcome);
        }
    }
}

fn response(head: &Head) -> Result<Answer, String> {
    let (code, reason) = head.status.split_once(' ').unwrap_or((&head.status, ""));
    let status = StatusCode::from_bytes(code.as_bytes()).ok().filter(|status| !status.is_informational());
    let status = status.ok_or_else(|| format!("the application's status is {:?}", head.status))?;
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    if status.canonical_reason() != Some(reason)
        && let Ok(reason) = ReasonPhrase::try_from(octets(reason).unwrap_or_default())
    {
        response.extensions_mut().insert(reason);
    }
    for (name, value) in &head.fields {
        let field = HeaderName::from_bytes(name.as_bytes()).ok();
        let field = field.and_then(|name| Some((name, HeaderValue::from_bytes(&octets(value)?).ok()?)));
        let (name, value) = field.ok_or_else(|| format!("the application's header has {name:?}: {value:?}"))?;
        if !HOP_BY_HOP.contains(&name.as_str()) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// Each character is an octet.
fn octets(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(character).ok()).collect()
}

/// The details are for the server's owner, not for its clients.
pub(crate) fn failed(status: StatusCode) -> Answer {
    let mut response = Response::new(Either::Left(Full::from(format!("{status}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
