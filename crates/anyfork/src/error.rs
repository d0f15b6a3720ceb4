//! The one error type: what went wrong, at which step, on what, where.

use crate::wire::{Failure, FailureKind, Malformed};
use std::borrow::Cow;
use std::fmt;
use std::io;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
///
/// Its text says the step, the object and the reason, and needs no context:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[anyfork::entry]
/// fn serve(port: u16) {}
///
/// let error = anyfork::Process::new().arg("eighty").run(serve).unwrap_err();
/// assert_eq!(error.kind(), anyfork::ErrorKind::Inputs);
/// assert!(error.to_string().ends_with(r#"serve, input 1: expected an argument that is a u16, got the argument "eighty""#));
/// # Ok(())
/// # }
/// ```
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    step: Cow<'static, str>,
    message: String,
    source: Option<io::Error>,
}

/// The sort of an [`Error`], for programs that decide by it.
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// use anyfork::ErrorKind;
/// let error = anyfork::Command::new("/nope").spawn().unwrap_err();
/// match error.kind() {
///     ErrorKind::System => assert_eq!(error.io_kind(), std::io::ErrorKind::NotFound),
///     ErrorKind::Deadline | ErrorKind::TemplateGone => {} // it may be tried again
///     _ => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A system call failed, here, in the template or in the new process; [`Error::raw_os_error`] has the errno.
    System,
    /// No entry of that name is registered in the program.
    UnknownEntry,
    /// Two entries have that name. (Those in functions and `impl` blocks have the path of their module.)
    AmbiguousEntry,
    /// The inputs do not fit the entry's parameters: number, order or type.
    Inputs,
    /// An entry run by `call` returned an error or panicked. The process is gone. (With `panic = "abort"` a panic is [`ProcessGone`](ErrorKind::ProcessGone).)
    Preparation,
    /// A module cannot be loaded: a shared library, a Python or a Perl module. The process is gone. [`Error::io_kind`] is `NotFound` if there is none of that name.
    Load,
    /// A process that was to fork has more than one thread.
    Threads,
    /// The deadline passed. The process that was to be started never starts.
    Deadline,
    /// The template is gone, so it cannot fork.
    TemplateGone,
    /// The new process ended before it entered the entry.
    ProcessGone,
    /// The process has ended, but nobody can tell how: its template was killed, and the kernel keeps no statuses (before Linux 6.15).
    Lost,
    /// The program was not prepared for being started again: see `anyfork::init`.
    NotInitialized,
    /// The handle was made by another process: a fork of the program that made it.
    ForeignHandle,
    /// A value that cannot be used, such as a name with a NUL.
    InvalidInput,
    /// The other end does not speak this crate's protocol, or another build of the program.
    Protocol,
    /// This system or program cannot do it.
    Unsupported,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, step: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Error(Box::new(Repr { kind, step: step.into(), message: message.into(), source: None }))
    }

    /// A system call that failed in this process.
    pub(crate) fn system(step: impl Into<Cow<'static, str>>, error: impl Into<io::Error>) -> Self {
        let source = Some(error.into());
        Error(Box::new(Repr { kind: ErrorKind::System, step: step.into(), message: String::new(), source }))
    }

    pub(crate) fn malformed(step: impl Into<Cow<'static, str>>, Malformed(what): Malformed) -> Self {
        Error::new(ErrorKind::Protocol, step, what)
    }

    pub(crate) fn foreign(step: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::ForeignHandle, step, "this handle was made by another process")
    }

    /// What a new process or a template said of itself.
    pub(crate) fn reported(failure: Failure) -> Self {
        let Failure { kind, errno, step, object, message } = failure;
        let kind = match kind {
            FailureKind::System => ErrorKind::System,
            FailureKind::UnknownEntry => ErrorKind::UnknownEntry,
            FailureKind::AmbiguousEntry => ErrorKind::AmbiguousEntry,
            FailureKind::Inputs => ErrorKind::Inputs,
            FailureKind::Preparation => ErrorKind::Preparation,
            FailureKind::Threads => ErrorKind::Threads,
            FailureKind::Load => ErrorKind::Load,
            FailureKind::Protocol | FailureKind::OtherImage => ErrorKind::Protocol,
        };
        let step = match (step.is_empty(), object.is_empty()) {
            (false, false) => format!("{step} {object}"),
            (true, _) => object,
            (_, true) => step,
        };
        let source = (errno != 0).then(|| io::Error::from_raw_os_error(errno));
        Error(Box::new(Repr { kind, step: step.into(), message, source }))
    }

    /// The same again, for a value that fails each time it is used.
    pub(crate) fn again(&self) -> Self {
        let Repr { kind, step, message, source } = &*self.0;
        let again =
            |error: &io::Error| error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        let source = source.as_ref().map(again);
        Error(Box::new(Repr { kind: *kind, step: step.clone(), message: message.clone(), source }))
    }

    /// The sort of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The kind that std has for it: the errno's, or the nearest.
    pub fn io_kind(&self) -> io::ErrorKind {
        match (&self.0.source, self.0.kind) {
            (Some(source), _) => source.kind(),
            (None, ErrorKind::UnknownEntry) => io::ErrorKind::NotFound,
            (None, ErrorKind::Inputs | ErrorKind::InvalidInput) => io::ErrorKind::InvalidInput,
            (None, ErrorKind::Deadline) => io::ErrorKind::TimedOut,
            (None, ErrorKind::TemplateGone | ErrorKind::ProcessGone) => io::ErrorKind::BrokenPipe,
            (None, ErrorKind::Protocol) => io::ErrorKind::InvalidData,
            (None, ErrorKind::Unsupported) => io::ErrorKind::Unsupported,
            (None, _) => io::ErrorKind::Other,
        }
    }

    /// The errno of the system call that failed, if one did.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.source.as_ref()?.raw_os_error()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repr { step, message, source, .. } = &*self.0;
        f.write_str(step)?;
        if !message.is_empty() {
            // The position of an input belongs to the entry's name, not behind a colon of its own.
            let separator = if self.0.kind == ErrorKind::Inputs { ", " } else { ": " };
            write!(f, "{}{message}", if step.is_empty() { "" } else { separator })?;
        }
        match source {
            // What could not be loaded has said so in its own words.
            Some(_) if self.0.kind == ErrorKind::Load && !message.is_empty() => Ok(()),
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error {{ kind: {:?}, {:?} }}", self.0.kind, self.to_string())
    }
}

/// Has no source: its text is whole, and `raw_os_error` has the errno.
impl std::error::Error for Error {}

/// Keeps the text; the kind is [`Error::io_kind`].
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(error.io_kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_step_object_and_reason() {
        let failure = Failure {
            kind: FailureKind::System,
            errno: 11,
            step: "fork in the template".into(),
            object: String::new(),
            message: String::new(),
        };
        let error = Error::reported(failure);
        assert_eq!(error.to_string(), "fork in the template: Resource temporarily unavailable (os error 11)");
        assert_eq!(error.raw_os_error(), Some(11));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::WouldBlock);
        let error = Error::new(ErrorKind::Deadline, "start a::b", "30 s passed");
        assert_eq!(error.to_string(), "start a::b: 30 s passed");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    }
}
