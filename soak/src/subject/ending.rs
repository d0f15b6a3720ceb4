//! How each worker is to end, and what it is to say before: both follow from its number.

use rustix::process::{Signal, getpid, kill_process};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// So many in a row end in as many ways.
const WAYS: u64 = SIGNALS_FROM + SIGNALS.len() as u64;
const SIGNALS_FROM: u64 = 244;
const SIGNALS: [Signal; 6] = [Signal::HUP, Signal::INT, Signal::KILL, Signal::USR1, Signal::ALARM, Signal::TERM];

/// One worker in so many says something.
const SAYS: u64 = 8;

/// The end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Code(u8),
    Signal(Signal),
}

impl End {
    /// As wait(2) encodes it.
    pub(super) fn status(self) -> i32 {
        match self {
            End::Code(code) => i32::from(code) << 8,
            End::Signal(signal) => signal.as_raw(),
        }
    }

    /// Ends the calling process so.
    pub(super) fn take(self) -> ExitCode {
        match self {
            End::Code(code) => ExitCode::from(code),
            End::Signal(signal) => {
                let failed = kill_process(getpid(), signal);
                unreachable!("{signal:?} to itself: {failed:?}")
            }
        }
    }
}

/// Of that worker. No two that are in flight at once end in the same way.
pub(super) fn of(number: u64) -> End {
    match number % WAYS {
        way if way < SIGNALS_FROM => End::Code(way as u8),
        way => End::Signal(SIGNALS[(way - SIGNALS_FROM) as usize]),
    }
}

/// What that worker says, if anything.
pub(super) fn said(number: u64) -> Option<String> {
    number.is_multiple_of(SAYS).then(|| format!("{number:032}"))
}

/// The entry of most workers.
#[anyfork::entry]
pub(super) fn end_as_told(mut socket: UnixStream, number: u64) -> ExitCode {
    if let Some(said) = said(number) {
        // Whoever asked may be gone.
        let _ = socket.write_all(said.as_bytes());
    }
    of(number).take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_end_differently() {
        let statuses: Vec<i32> = (1_000..1_000 + WAYS).map(|number| of(number).status()).collect();
        let mut different = statuses.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), statuses.len());
        assert_eq!(of(0), End::Code(0));
        assert_eq!(of(WAYS - 1), End::Signal(Signal::TERM));
    }
}
