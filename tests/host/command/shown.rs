//! Results of both libraries as text that can be compared.

use std::io;
use std::os::unix::process::ExitStatusExt;

pub(super) trait Show {
    fn show(&self) -> String;
}

/// A kind and an errno.
impl Show for io::Error {
    fn show(&self) -> String {
        error(self.kind(), self.raw_os_error())
    }
}

impl Show for anyfork::Error {
    fn show(&self) -> String {
        error(self.io_kind(), self.raw_os_error())
    }
}

fn error(kind: io::ErrorKind, errno: Option<i32>) -> String {
    errno.map_or_else(|| format!("{kind:?}"), |errno| format!("{kind:?} {errno}"))
}

/// An exit code, or the signal.
impl Show for std::process::ExitStatus {
    fn show(&self) -> String {
        match (self.code(), self.signal()) {
            (Some(code), None) => code.to_string(),
            (None, Some(signal)) => format!("signal {signal}"),
            both => format!("{both:?}"),
        }
    }
}

impl Show for anyfork::ExitStatus {
    fn show(&self) -> String {
        std::process::ExitStatus::from(*self).show()
    }
}

impl Show for std::process::Output {
    fn show(&self) -> String {
        output(&self.status, &self.stdout, &self.stderr)
    }
}

impl Show for anyfork::Output {
    fn show(&self) -> String {
        output(&self.status, &self.stdout, &self.stderr)
    }
}

/// The status, and what was written, if anything: behind `E` what went to standard error.
fn output(status: &impl Show, stdout: &[u8], stderr: &[u8]) -> String {
    let mut text = status.show();
    if !stdout.is_empty() {
        text += &format!(" {}", octets(stdout));
    }
    if !stderr.is_empty() {
        text += &format!(" E {}", octets(stderr));
    }
    text
}

impl<T: Show, E: Show> Show for Result<T, E> {
    fn show(&self) -> String {
        match self {
            Ok(value) => value.show(),
            Err(error) => error.show(),
        }
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".into(), T::show)
    }
}

impl Show for () {
    fn show(&self) -> String {
        "done".into()
    }
}

/// Without the line end, the others as `/`.
pub(super) fn octets(octets: &[u8]) -> String {
    octets.strip_suffix(b"\n").unwrap_or(octets).escape_ascii().to_string().replace("\\n", "/")
}
