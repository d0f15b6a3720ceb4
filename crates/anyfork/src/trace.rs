//! What tracing is told: <https://docs.rs/tracing>. Without the feature `tracing`, nothing.
//!
//! Spans, all with the target `anyfork` and the level debug:
//!
//! - `start`, in the caller: from the order until the process is ready (`pid`), or failed (`error`).
//! - `exit`, in the caller: from then until its `status` is known: as long as it ran.
//! - `fork`, in a template: the system call alone.
//! - `run`, in a worker: the entry, with the context that its caller has given it.

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{Fork, Life, Run, Start, current_context};
#[cfg(feature = "tracing")]
pub use on::context;
#[cfg(feature = "tracing")]
pub(crate) use on::{Fork, Life, Run, Start, current_context};

#[cfg(feature = "tracing")]
mod on {
    use crate::error::Error;
    use crate::status::ExitStatus;
    use std::sync::{Mutex, OnceLock, PoisonError};
    use std::time::Instant;
    use tracing::field::{Empty, display};
    use tracing::span::EnteredSpan;
    use tracing::{Span, debug, debug_span};

    /// A start, until there is a result.
    #[derive(Debug)]
    pub(crate) struct Start {
        span: Span,
        since: Instant,
    }

    impl Start {
        pub(crate) fn new(what: &str) -> Self {
            let span =
                debug_span!(target: "anyfork", "start", entry = what, pid = Empty, elapsed_us = Empty, error = Empty);
            Start { span, since: Instant::now() }
        }

        pub(crate) fn ready(&self, pid: u32) -> Life {
            self.span.record("pid", pid);
            self.record_time();
            self.span.in_scope(|| debug!(target: "anyfork", pid, "ready"));
            let span = debug_span!(target: "anyfork", "exit", pid, status = Empty, elapsed_us = Empty);
            Life(Mutex::new(Some((span, Instant::now()))))
        }

        pub(crate) fn failed(&self, error: &Error) {
            self.span.record("error", display(error));
            self.record_time();
            self.span.in_scope(|| debug!(target: "anyfork", %error, "failed"));
        }

        fn record_time(&self) {
            self.span.record("elapsed_us", self.since.elapsed().as_micros() as u64);
        }
    }

    /// A process that runs, until its status is known or nobody can ask for it any more.
    #[derive(Debug, Default)]
    pub(crate) struct Life(Mutex<Option<(Span, Instant)>>);

    impl Life {
        pub(crate) fn ended(&self, status: &ExitStatus) {
            let Some((span, since)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
            span.record("status", display(status));
            span.record("elapsed_us", since.elapsed().as_micros() as u64);
            span.in_scope(|| debug!(target: "anyfork", %status, "exited"));
        }
    }

    /// A fork, as its template sees it.
    #[derive(Debug)]
    pub(crate) struct Fork(EnteredSpan);

    impl Fork {
        pub(crate) fn new() -> Self {
            Fork(debug_span!(target: "anyfork", "fork", pid = Empty).entered())
        }

        pub(crate) fn made(self, pid: u32) {
            self.0.record("pid", pid);
        }

        /// In the child, which is inside of it from now on: it ends in the template.
        pub(crate) fn go_on_inside(self) {
            std::mem::forget(self);
        }
    }

    /// The run of an entry.
    #[derive(Debug)]
    pub(crate) struct Run(EnteredSpan);

    impl Run {
        pub(crate) fn new(entry: &str, pid: u32, context: Option<&str>) -> Self {
            let span = debug_span!(target: "anyfork", "run", entry, pid, context = Empty, code = Empty);
            if let Some(context) = context {
                span.record("context", context);
                let _ = CONTEXT.set(context.to_owned());
            }
            Run(span.entered())
        }

        pub(crate) fn ended(self, code: i32) {
            self.0.record("code", code);
            debug!(target: "anyfork", code, "returned");
        }
    }

    static CONTEXT: OnceLock<String> = OnceLock::new();

    /// In a worker: what its caller gave it with [`Process::trace_context`](crate::Process::trace_context), or the span in which it was started: `request 7 in 1234`, with
    /// the span's name and id, and the number of the process. `None` if it was started outside of spans, or without a subscriber. With the feature `tracing`.
    pub fn context() -> Option<&'static str> {
        CONTEXT.get().map(String::as_str)
    }

    /// How the current span is told to a worker: by its name, its id and the number of the process. `None` outside of spans.
    pub(crate) fn current_context() -> Option<String> {
        let span = Span::current();
        let (id, metadata) = (span.id()?, span.metadata()?);
        Some(format!("{} {} in {}", metadata.name(), id.into_u64(), std::process::id()))
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use crate::error::Error;
    use crate::status::ExitStatus;

    #[derive(Debug)]
    pub(crate) struct Start {}

    impl Start {
        pub(crate) fn new(_: &str) -> Self {
            Start {}
        }

        pub(crate) fn ready(&self, _: u32) -> Life {
            Life {}
        }

        pub(crate) fn failed(&self, _: &Error) {}
    }

    #[derive(Debug)]
    pub(crate) struct Life {}

    impl Life {
        pub(crate) fn ended(&self, _: &ExitStatus) {}
    }

    #[derive(Debug)]
    pub(crate) struct Fork {}

    impl Fork {
        pub(crate) fn new() -> Self {
            Fork {}
        }

        pub(crate) fn made(self, _: u32) {}

        pub(crate) fn go_on_inside(self) {}
    }

    #[derive(Debug)]
    pub(crate) struct Run {}

    impl Run {
        pub(crate) fn new(_: &str, _: u32, _: Option<&str>) -> Self {
            Run {}
        }

        pub(crate) fn ended(self, _: i32) {}
    }

    pub(crate) fn current_context() -> Option<String> {
        None
    }
}
