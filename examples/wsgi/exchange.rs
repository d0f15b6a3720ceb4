//! One request with one worker: given, fed, read; cut off and killed if it takes too long.

use crate::idle::Loan;
use crate::link::{Orders, Replies, Reply, is_end};
use crate::respond::Responder;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// What a worker has sent before its end is read, even if another process holds its end of the socket open.
const GRACE: Duration = Duration::from_millis(100);
/// How long the rest of a body is read that the application did not want: the client may read nothing before it has sent everything.
const LINGER: Duration = Duration::from_secs(2);

/// A request as a worker gets it.
#[derive(Debug)]
pub(crate) struct Errand {
    /// What it is called in messages.
    pub(crate) name: String,
    /// The strings in `environ`, as JSON.
    pub(crate) environ: Vec<u8>,
    pub(crate) body: Incoming,
}

/// Why a worker is not given back.
enum Lost {
    Ended,
    Late,
    Nonsense(String),
}

impl Lost {
    fn status(&self) -> StatusCode {
        match self {
            Lost::Late => StatusCode::GATEWAY_TIMEOUT,
            Lost::Ended | Lost::Nonsense(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        if is_end(&error) { Lost::Ended } else { Lost::Nonsense(error.to_string()) }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Ended => f.write_str("has ended"),
            Lost::Late => f.write_str("has not finished in time"),
            Lost::Nonsense(what) => write!(f, "talks nonsense: {what}"),
        }
    }
}

/// Goes on when the client has gone: the worker is to finish what it has begun. What it says then is lost.
pub(crate) async fn exchange(loan: Loan, errand: Errand, mut client: Responder, limit: Duration) {
    let Loan { worker, mut link, mut back } = loan;
    let Errand { name, environ, body } = errand;
    let mut request = Request { orders: &mut link.orders, body, is_taken: false, is_sent: false };
    let talk = async {
        request.offer(&environ, &mut link.replies).await?;
        tokio::select! {
            outcome = relay(&mut link.replies, &mut client, &name) => outcome?,
            never = request.feed() => match never {},
        }
        // It fails if the worker has ended after all, with nothing left to lose.
        let _ = request.stop().await;
        Ok(())
    };
    let ended = async {
        back.closed().await;
        sleep(GRACE).await;
    };
    let outcome = tokio::select! {
        outcome = timeout(limit, talk) => outcome.unwrap_or(Err(Lost::Late)),
        () = ended => Err(Lost::Ended),
    };
    let Request { mut body, is_taken, .. } = request;
    match outcome {
        Ok(()) => {
            // It fails if the worker has ended in the meantime.
            let _ = back.send(link);
        }
        Err(Lost::Ended) if !is_taken => return client.not_taken(body),
        Err(lost) => {
            eprintln!("wsgi: {name}: worker {} {lost}", worker.pid());
            // One that has ended by itself is to tell how.
            if !matches!(lost, Lost::Ended)
                && let Err(error) = worker.kill()
            {
                eprintln!("wsgi: worker {}: {error}", worker.pid());
            }
            // Its place need not wait for what this client still says.
            drop(back);
            client.fail(lost.status());
        }
    }
    linger(&mut body).await;
}

/// What a worker gets.
struct Request<'a> {
    orders: &'a mut Orders,
    body: Incoming,
    /// The application may have seen it.
    is_taken: bool,
    /// The end of the body has been sent.
    is_sent: bool,
}

impl Request<'_> {
    /// Returns when the worker has taken the request.
    async fn offer(&mut self, environ: &[u8], replies: &mut Replies) -> Result<(), Lost> {
        self.orders.request(environ).await?;
        match replies.next().await? {
            Reply::Taken => self.is_taken = true,
            other => return Err(Lost::Nonsense(format!("{other:?} before it takes the request"))),
        }
        Ok(())
    }

    /// Sends the body. Never returns: what becomes of the request is for the replies to say.
    async fn feed(&mut self) -> Infallible {
        // An error is the end of the worker.
        let _ = self.send_body().await;
        pending().await
    }

    async fn send_body(&mut self) -> io::Result<()> {
        while let Some(frame) = self.body.frame().await {
            match frame {
                Ok(frame) => self.orders.data(frame.data_ref().map_or(&[], |data| data)).await?,
                // The client has gone.
                Err(_) => return self.stop().await,
            }
        }
        // Before it: dropped while it is being sent, it is sent all the same.
        self.is_sent = true;
        self.orders.end().await
    }

    /// Tells the worker that the rest of the body does not come, unless all has come.
    async fn stop(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_sent, true) { Ok(()) } else { self.orders.cut().await }
    }
}

/// Passes on what the worker answers.
async fn relay(replies: &mut Replies, client: &mut Responder, name: &str) -> Result<(), Lost> {
    loop {
        match replies.next().await? {
            Reply::Taken => return Err(Lost::Nonsense("it takes a request twice".into())),
            Reply::Head(head) => {
                if let Err(what) = client.head(&head) {
                    eprintln!("wsgi: {name}: {what}");
                    client.fail(StatusCode::INTERNAL_SERVER_ERROR);
                }
            }
            Reply::Data(data) => client.data(data).await,
            Reply::End => {
                client.end().await;
                return Ok(());
            }
            Reply::Failed => {
                eprintln!("wsgi: {name}: the application has failed");
                client.fail(StatusCode::INTERNAL_SERVER_ERROR);
                return Ok(());
            }
        }
    }
}

async fn linger(body: &mut Incoming) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = timeout(LINGER, rest).await;
}
