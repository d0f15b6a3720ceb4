//! How a process is started, and how it ends: what the caller wants, and the words for it.

#[cfg(doc)]
use crate::error::ErrorKind;
use crate::mutant::{Mutant, strikes};
use crate::process::{DEFAULT_DEADLINE, Process};
use crate::served::{Binds, Server};
use crate::starting::after;
use crate::wire::Role;
#[cfg(doc)]
use crate::worker::Worker;
use std::time::{Duration, Instant};

/// What the caller wants of the process and its handle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) deadline: Duration,
    pub(crate) kill_on_drop: bool,
    pub(crate) blocking_socket: bool,
    /// What the process is when it has been prepared.
    pub(crate) role: Role,
}

impl Options {
    /// What holds if the caller says nothing.
    pub(crate) fn new(role: Role) -> Self {
        Options { deadline: DEFAULT_DEADLINE, kill_on_drop: false, blocking_socket: false, role }
    }

    /// When a start fails that is ordered now, if its template had to be waited for so long before.
    pub(crate) fn deadline_from_now(&self, waited: Duration) -> Instant {
        let given = if strikes(Mutant::Deadline) { Duration::MAX } else { self.deadline };
        after(given.saturating_sub(waited))
    }
}

/// How it is started, and how it ends.
impl<S: Server> Process<S> {
    /// How long a start may take, from the moment that `run`, `start` or `template` has given its orders: 30 s if not set. Measured by the monotonic clock.
    ///
    /// When it passes before the process has answered, the start fails with [`Deadline`](ErrorKind::Deadline), and the process never enters its entry,
    /// however late its template wakes up.
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// # #[anyfork::entry] fn hang() { std::thread::sleep(std::time::Duration::from_secs(5)) }
    /// let limit = std::time::Duration::from_millis(100);
    /// let error = anyfork::Process::new().deadline(limit).call(hang, anyfork::NO_ARGS).template().unwrap_err();
    /// assert_eq!(error.kind(), anyfork::ErrorKind::Deadline);
    /// # Ok(())
    /// # }
    /// ```
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = deadline;
        self
    }

    /// Whether the process is killed when the program ends, however it ends. Otherwise it goes on and reads
    /// end-of-file on its socket.
    ///
    /// Such a process is killed also if its template is killed, as nobody would be left to watch over it. A template that was dropped stays
    /// until such workers of it have ended. As [`Command::die_with_owner`](crate::Command::die_with_owner).
    pub fn die_with_owner(mut self, die: bool) -> Self
    where
        S: Binds,
    {
        self.options.role = if die { Role::Bound } else { Role::Free };
        self
    }

    /// Whether dropping the [`Worker`] kills it (SIGKILL), also if this program has given up the right to and its template has not.
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// # #[anyfork::entry] fn hang() { std::thread::sleep(std::time::Duration::from_secs(5)) }
    /// let worker = anyfork::Process::new().kill_on_drop(true).run(hang)?;
    /// let exited = worker.exited();
    /// drop(worker);
    /// assert_eq!(exited.wait()?.signal(), Some(libc::SIGKILL));
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill_on_drop(mut self, kill: bool) -> Self {
        self.options.kill_on_drop = kill;
        self
    }

    /// Whether [`Worker::socket`] is in blocking mode in this process. It is non-blocking if nothing is said, and always
    /// blocking in the worker.
    pub fn blocking_socket(mut self, blocking: bool) -> Self {
        self.options.blocking_socket = blocking;
        self
    }
}
