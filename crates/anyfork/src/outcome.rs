//! What an entry returns or panics with, as an exit code or an error: `()`, `Result<(), E: Display>`, or anything `Termination`.
//!
//! The same search by the compiler as in `extract`: a result with an error that can be shown comes first.

use crate::entry::Finished;
use std::fmt::Display;
use std::panic::{self, AssertUnwindSafe};
use std::process::{ExitCode, Termination};
use std::sync::{Arc, Mutex, PoisonError};

#[doc(hidden)]
pub struct Returned<T>(pub std::cell::Cell<Option<T>>);

impl<T> Returned<T> {
    #[doc(hidden)]
    pub fn new(value: T) -> Self {
        Returned(std::cell::Cell::new(Some(value)))
    }
}

#[doc(hidden)]
pub mod steps {
    use super::*;

    pub trait Shown {
        fn finish(&self) -> Finished;
    }

    impl<E: Display> Shown for &Returned<Result<(), E>> {
        fn finish(&self) -> Finished {
            match self.0.take() {
                Some(Err(error)) => Finished::Error { code: 1, message: error.to_string() },
                _ => Finished::Code(0),
            }
        }
    }

    pub trait Terminated<T> {
        fn finish(&self) -> Finished
        where
            T: Ends;
    }

    impl<T> Terminated<T> for Returned<T> {
        fn finish(&self) -> Finished
        where
            T: Ends,
        {
            Finished::Code(self.0.take().map_or(0, Ends::code))
        }
    }
}

/// The last resort: what `main` may return.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "an entry cannot return `{Self}`",
    label = "says nothing of how the process ended",
    note = "it returns nothing, a `Result<(), E>` whose error can be shown, or what `main` may return: `std::process::ExitCode::from(3)` for a number"
)]
pub trait Ends {
    fn code(self) -> u8;
}

#[diagnostic::do_not_recommend]
impl<T: Termination> Ends for T {
    fn code(self) -> u8 {
        code(&self.report())
    }
}

/// The number in an exit code. std lets it only be compared.
fn code(code: &ExitCode) -> u8 {
    (0..=u8::MAX).find(|number| ExitCode::from(*number) == *code).unwrap_or(1)
}

/// Runs `f`; a panic comes back as its place and message instead of being printed.
pub(crate) fn catch_panic<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    let seen = Arc::new(Mutex::new(None));
    let previous = panic::take_hook();
    let note = Arc::clone(&seen);
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|place| format!("at {place}: ")).unwrap_or_default();
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)");
        // The first panic is the cause; later ones (of threads, of destructors) follow from it.
        note.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(format!("{place}{message}"));
    }));
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    panic::set_hook(previous);
    result.map_err(|_| seen.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::steps::*;
    use super::*;

    fn finish<T>(value: T, finish: impl Fn(&Returned<T>) -> Finished) -> String {
        format!("{:?}", finish(&Returned::new(value)))
    }

    #[test]
    #[allow(clippy::needless_borrow)]
    fn values_become_codes_and_errors() {
        assert_eq!(finish((), |v| (&v).finish()), "Code(0)");
        assert_eq!(finish(Ok::<(), std::fmt::Error>(()), |v| (&v).finish()), "Code(0)");
        assert_eq!(finish(Err::<(), &str>("no"), |v| (&v).finish()), "Error { code: 1, message: \"no\" }");
        assert_eq!(finish(ExitCode::from(42), |v| (&v).finish()), "Code(42)");
        assert_eq!(finish(Err::<ExitCode, &str>("no"), |v| (&v).finish()), "Code(1)");
    }
}
