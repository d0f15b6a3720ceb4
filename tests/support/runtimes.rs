//! Where futures run: in each kind of tokio runtime, by async-io, and by an executor that has no event loop of its own.

use crate::LONG;
use futures::future::{Either, select};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};

/// A way to run a future to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// A tokio runtime of one thread.
    TokioCurrentThread,
    /// A tokio runtime of two threads.
    TokioMultiThread,
    /// `async_io::block_on`, which is that of smol.
    AsyncIo,
    /// `futures::executor::block_on`, which knows nothing of descriptors and time.
    NoRuntime,
}

impl Where {
    /// All of them, by the names that tests and scenarios have for them.
    pub const ALL: [(&str, Where); 4] = [
        ("tokio_current_thread", Where::TokioCurrentThread),
        ("tokio_multi_thread", Where::TokioMultiThread),
        ("async_io", Where::AsyncIo),
        ("no_runtime", Where::NoRuntime),
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Where {
        Where::ALL.into_iter().find(|(known, _)| *known == name).expect("a known runtime").1
    }

    /// Runs a future, for [`LONG`] at the longest.
    pub fn run<F: Future>(self, future: F) -> F::Output {
        self.run_for(LONG, future)
    }

    /// Runs a future, and panics if it has not ended by then.
    pub fn run_for<F: Future>(self, limit: Duration, future: F) -> F::Output {
        let future = async { timeout(limit, future).await.expect("it ends in time") };
        match self {
            Where::TokioCurrentThread => Builder::new_current_thread().enable_all().build().unwrap().block_on(future),
            Where::TokioMultiThread => {
                Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
            }
            Where::AsyncIo => async_io::block_on(future),
            Where::NoRuntime => futures::executor::block_on(future),
        }
    }
}

/// Sleeps by the timers of the runtime that is here.
pub async fn sleep(duration: Duration) {
    match Handle::try_current() {
        Ok(_) => tokio::time::sleep(duration).await,
        Err(_) => drop(async_io::Timer::after(duration).await),
    }
}

/// The future's result, if it comes in time; otherwise the future is dropped.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    if Handle::try_current().is_ok() {
        return tokio::time::timeout(limit, future).await.ok();
    }
    match select(pin!(future), pin!(sleep(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// Polls once, on behalf of the task that is here.
pub async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
}

/// Polls once, on behalf of nobody.
pub fn poll_for_nobody<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Makes a test of each case, which is an async function beside it, in each runtime: of tokio, of the others, or of all.
#[macro_export]
macro_rules! in_runtimes {
    (all: $($cases:tt)+) => {
        $crate::in_runtimes! { tokio: $($cases)+ }
        $crate::in_runtimes! { others: $($cases)+ }
    };
    (tokio: $($cases:tt)+) => {
        $crate::in_runtimes! { in tokio_current_thread TokioCurrentThread: $($cases)+ }
        $crate::in_runtimes! { in tokio_multi_thread TokioMultiThread: $($cases)+ }
    };
    (others: $($cases:tt)+) => {
        $crate::in_runtimes! { in async_io AsyncIo: $($cases)+ }
        $crate::in_runtimes! { in no_runtime NoRuntime: $($cases)+ }
    };
    (in $name:ident $place:ident: $($(#[$attribute:meta])* $case:ident;)+) => {
        mod $name {
            $(
                #[test]
                $(#[$attribute])*
                fn $case() {
                    $crate::Where::$place.run(super::$case());
                }
            )+
        }
    };
}
