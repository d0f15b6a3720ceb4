//! How a process ended, and what it used.

use crate::wire::ExitRecord;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// How a process ended: its exit code or the signal that killed it, and what it used.
///
/// It is the true status, as the process's parent got it from the kernel; it converts into
/// [`std::process::ExitStatus`].
///
/// ```
/// #[anyfork::entry]
/// fn refuse() -> std::process::ExitCode {
///     78.into()
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// let worker = anyfork::Process::new().run(refuse)?;
/// let status = worker.wait()?;
/// assert_eq!((status.code(), status.signal()), (Some(78), None));
/// assert_eq!(status.to_string(), "exit status: 78");
/// let status: std::process::ExitStatus = status.into(); // for code that knows that one
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus {
    raw: std::process::ExitStatus,
    usage: Option<Usage>,
}

impl ExitStatus {
    pub(crate) fn of_record(record: &ExitRecord) -> Self {
        let usage = Usage {
            user: Duration::from_micros(record.user_us),
            system: Duration::from_micros(record.system_us),
            // Said by a template, which may run somebody else's code.
            peak_memory: record.peak_kib.saturating_mul(1024),
            minor_faults: record.minor_faults,
            major_faults: record.major_faults,
        };
        ExitStatus { usage: Some(usage), ..Self::of_wait_status(record.wait_status) }
    }

    pub(crate) fn of_wait_status(wait_status: i32) -> Self {
        ExitStatus { raw: std::process::ExitStatus::from_raw(wait_status), usage: None }
    }

    /// Whether the exit code was 0.
    pub fn success(&self) -> bool {
        self.raw.success()
    }

    /// The exit code, if the process ended by itself. A panic in an entry is 101 (with `panic = "abort"` the signal is SIGABRT), an error that it returned 1.
    pub fn code(&self) -> Option<i32> {
        self.raw.code()
    }

    /// The signal, if one killed the process: 6 after `abort`, 9 after [`Worker::kill`](crate::Worker::kill), 11 after a stack overflow.
    pub fn signal(&self) -> Option<i32> {
        self.raw.signal()
    }

    /// Whether the process left a core dump.
    pub fn core_dumped(&self) -> bool {
        self.raw.core_dumped()
    }

    /// The status as wait(2) encodes it.
    pub fn into_raw(self) -> i32 {
        self.raw.into_raw()
    }

    /// What the process used. `None` if its template died before it, and the kernel had only its status.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

impl From<ExitStatus> for std::process::ExitStatus {
    fn from(status: ExitStatus) -> Self {
        status.raw
    }
}

/// As std's: `exit status: 3`, `signal: 9 (SIGKILL)`.
impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

/// What a process used from its fork to its end: getrusage(2).
///
/// ```
/// #[anyfork::entry]
/// fn fill() {
///     std::hint::black_box(vec![1u8; 32 << 20]);
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// let usage = anyfork::Process::new().run(fill)?.wait()?.usage().unwrap();
/// assert!(usage.peak_memory > 32 << 20);
/// println!("{:?} of CPU time, {} pages copied or new", usage.user + usage.system, usage.minor_faults);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// CPU time in its own code.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// The most memory it had resident, in bytes. Pages shared with its template count.
    pub peak_memory: u64,
    /// Page faults without input or output, such as the copy of a page shared with its template.
    pub minor_faults: u64,
    /// Page faults that had to read.
    pub major_faults: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_signals_are_told_apart() {
        let exited = ExitStatus::of_wait_status(3 << 8);
        assert_eq!((exited.code(), exited.signal(), exited.success()), (Some(3), None, false));
        assert_eq!(exited.to_string(), "exit status: 3");
        let dumped = ExitStatus::of_wait_status(6 | 0x80);
        assert_eq!((dumped.code(), dumped.signal(), dumped.core_dumped()), (None, Some(6), true));
        assert!(ExitStatus::of_wait_status(0).success());
    }
}
