//! A process that runs an entry: its socket, its number, signals, its end.

use crate::default_template;
use crate::error::{Error, ErrorKind, Result};
use crate::exited::Exited;
use crate::kill_on_drop::KillOnDrop;
use crate::line::Line;
use crate::maker::Maker;
use crate::mutant::{Mutant, strikes};
use crate::status::ExitStatus;
use crate::sys::pidfd::{self, Life};
use crate::sys::wait::{self, Which};
use crate::trace;
use crate::watch::{self, TICK};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A process that has entered its entry.
///
/// **Dropping** it closes the parent's end of the socket and nothing else: the worker goes on and reads end-of-file on its own
/// end, as with AnyEvent::Fork; with [`kill_on_drop`](crate::Process::kill_on_drop) it is killed. No zombie stays in either
/// case: its template waits for it. In a fork of the program that made it a `Worker` is inert: its methods fail, and
/// dropping it does nothing to the process. Only [`wait`](Worker::wait) and [`wait_timeout`](Worker::wait_timeout) block.
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// #[anyfork::entry]
/// fn shout(mut socket: UnixStream, text: String) -> std::io::Result<()> {
///     socket.write_all(text.to_uppercase().as_bytes())
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = anyfork::Process::new().arg("hello").blocking_socket(true).run(shout)?;
/// let mut answer = String::new();
/// worker.socket().read_to_string(&mut answer)?;
/// assert_eq!(answer, "HELLO");
/// assert!(worker.wait()?.success());
/// # Ok(())
/// # }
/// ```
pub struct Worker {
    /// First, so that a worker that is to be killed never sees its socket close.
    guard: KillOnDrop,
    life: Arc<Lifeline>,
    socket: UnixStream,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("pid", &self.pid()).field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Worker {
    pub(crate) fn new(life: Lifeline, socket: UnixStream, kill_on_drop: bool) -> Self {
        let life = Arc::new(life);
        Worker { guard: KillOnDrop::new(kill_on_drop, &life), life, socket }
    }

    /// The number of the process. It stays its own as long as it lives; after that use the handle, not the number.
    pub fn pid(&self) -> u32 {
        self.life.pid()
    }

    /// The pidfd, pidfd_open(2): readable when the process has ended. `None` where the system refuses pidfds.
    ///
    /// It may be readable a moment before the exit status is there; to wait for the status use [`Worker::exited`].
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.life.pidfd()
    }

    /// The parent's end of the worker's socket. Non-blocking, unless
    /// [`blocking_socket`](crate::Process::blocking_socket) was asked for.
    ///
    /// It reads end-of-file when the worker has closed its end: at its end at the latest, unless it gave the socket to
    /// another process; or ECONNRESET, if the worker has not read all that was sent. The worker reads end-of-file when all copies of this end are closed, or one
    /// has been shut down: `worker.socket().shutdown(Shutdown::Write)`.
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Gives the socket away, and the handle up: the worker is not killed, and its exit status is not kept.
    pub fn into_socket(mut self) -> UnixStream {
        self.guard.disarm();
        self.socket
    }

    /// Gives the handle up: the worker goes on even if `kill_on_drop` was asked for, and reads end-of-file on its socket.
    pub fn detach(mut self) {
        self.guard.disarm();
    }

    /// Waits until the worker has ended. Blocks without a limit; the socket stays open meanwhile.
    ///
    /// # Errors
    /// [`Lost`](ErrorKind::Lost) if its template was killed and the kernel keeps no statuses;
    /// [`ForeignHandle`](ErrorKind::ForeignHandle) in a fork of the program; [`System`](ErrorKind::System) if poll(2) fails.
    pub fn wait(&self) -> Result<ExitStatus> {
        self.life.wait_for_ever()
    }

    /// Waits at most that long. Blocks. `None`: the worker still runs.
    ///
    /// # Errors
    /// As [`wait`](Worker::wait).
    pub fn wait_timeout(&self, limit: Duration) -> Result<Option<ExitStatus>> {
        self.life.wait(Instant::now().checked_add(limit))
    }

    /// Looks whether the worker has ended. Never blocks.
    ///
    /// # Errors
    /// As [`wait`](Worker::wait).
    pub fn try_wait(&self) -> Result<Option<ExitStatus>> {
        self.life.check()
    }

    /// The worker's end as a value that an event loop can wait for. It does not keep the `Worker` borrowed.
    ///
    /// What the worker has written before may still be unread in the socket then.
    pub fn exited(&self) -> Exited {
        Exited::new(Arc::clone(&self.life))
    }

    /// Sends a signal, such as `libc::SIGTERM`; real-time signals cannot be sent. Sending to a worker that has ended is no error, and reaches nobody else.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a number that is no signal, [`ForeignHandle`](ErrorKind::ForeignHandle) in a fork
    /// of the program, [`System`](ErrorKind::System) if the kernel refuses (EPERM also if this program has given up rights that its template has), [`Unsupported`](ErrorKind::Unsupported) without pidfds, where nobody else can send it safely (templates of Perl cannot).
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.life.signal_numbered(signal)
    }

    /// Kills the worker: SIGKILL. Does not wait for its end.
    ///
    /// # Errors
    /// As [`signal`](Worker::signal).
    pub fn kill(&self) -> Result<()> {
        self.life.signal(Signal::KILL)
    }
}

/// How long a status may take to appear after the template is gone, before it counts as lost.
const GRACE: Duration = Duration::from_secs(1);

/// What a process leaves when nobody can know more: shared by the [`Worker`] and the [`Exited`]s made from it.
#[derive(Debug)]
pub(crate) struct Lifeline {
    pid: u32,
    pidfd: Option<OwnedFd>,
    /// The line to its template, and its id there. `None` if another process ordered the fork.
    line: Option<(Arc<Line>, u64)>,
    maker: Maker,
    hangs_up: bool,
    status: OnceLock<ExitStatus>,
    /// When it was first seen dead without anybody to tell how.
    orphaned_at: Mutex<Option<Instant>>,
    trace: trace::Life,
}

impl Lifeline {
    pub(crate) fn new(pid: u32, pidfd: Option<OwnedFd>, line: Option<(Arc<Line>, u64)>, trace: trace::Life) -> Self {
        Lifeline {
            pid,
            hangs_up: pidfd.as_ref().is_some_and(pidfd::hangs_up_when_reaped),
            pidfd,
            line,
            maker: Maker::this(),
            status: OnceLock::new(),
            orphaned_at: Mutex::new(None),
            trace,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// An error for `step` in a fork of the program that made the handle.
    pub(crate) fn check_maker(&self, step: &'static str) -> Result<()> {
        self.maker.check(step)
    }

    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn line(&self) -> Option<&Arc<Line>> {
        self.line.as_ref().map(|(line, _)| line)
    }

    /// Whether its pidfd shows a hang-up exactly when the status has been reported: Linux 6.9, and a template that lives.
    pub(crate) fn hangs_up_with_status(&self) -> bool {
        self.hangs_up && self.line().is_some_and(|line| !line.is_closed())
    }

    pub(crate) fn life(&self) -> Life {
        self.pidfd().map_or(Life::Runs, |pidfd| pidfd::life(pidfd).unwrap_or(Life::Runs))
    }

    /// As far as its pidfd tells.
    fn may_have_ended(&self, life: Life) -> bool {
        life != Life::Runs || self.pidfd.is_none()
    }

    /// The status, if it can be known now.
    pub(crate) fn check(&self) -> Result<Option<ExitStatus>> {
        self.maker.check("wait")?;
        if let Some(status) = self.status.get() {
            return Ok(Some(*status));
        }
        // In this order: the report is sent before the template waits for the process.
        let life = self.life();
        let status = match &self.line {
            Some((line, id)) => {
                line.collect();
                let is_alone = || line.is_closed() || (self.may_have_ended(life) && line.has_ended());
                match line.status(*id) {
                    // It may have been told in between, too.
                    None if is_alone() => line.status(*id).map_or_else(|| self.ask_others(life), |it| Ok(Some(it)))?,
                    told => told,
                }
            }
            None => self.ask_others(life)?,
        };
        Ok(status.map(|status| {
            // Not within `get_or_init`: whoever is told may ask for the status.
            if self.status.set(status).is_ok() {
                self.trace.ended(&status);
            }
            *self.status.get().unwrap_or(&status)
        }))
    }

    /// Without a template of its own the process has been adopted: by the default template, or by the system.
    fn ask_others(&self, life: Life) -> Result<Option<ExitStatus>> {
        let Some(pidfd) = self.pidfd() else { return self.ask_without_pidfd() };
        if life == Life::Runs {
            return Ok(None);
        }
        let kept = (life == Life::Reaped).then(|| pidfd::wait_status(pidfd)).flatten().map(ExitStatus::of_wait_status);
        // The default template knows most, and has reported by the time it has waited for the process. Before that an older orphan of the same number could be meant; and also
        // after it, if the process was none of its orphans: the kernel knows better.
        let told = (life == Life::Reaped || !self.hangs_up).then(|| self.ask_default_template()).flatten();
        let told = told.filter(|told| kept.is_none_or(|kept| kept.into_raw() == told.into_raw()));
        let known =
            told.or_else(|| wait::reap(Which::Pidfd(pidfd)).map(|record| ExitStatus::of_record(&record))).or(kept);
        if known.is_some() {
            return Ok(known);
        }
        let waited = self.orphaned_for();
        let adopter = default_template::if_up().filter(|line| waited < GRACE && line.is_up());
        let adopter = adopter.and_then(|line| Some(line.identity()?.pid));
        let left = pidfd::zombie_wait_status(pidfd, self.pid, adopter).map(ExitStatus::of_wait_status);
        if left.is_some() {
            return Ok(left);
        }
        if waited < GRACE { Ok(None) } else { Err(lost()) }
    }

    /// Without pidfds only the default template can tell, and the number whether there is still anything to be told.
    fn ask_without_pidfd(&self) -> Result<Option<ExitStatus>> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok()) {
            return Ok(None);
        }
        let known = self.ask_default_template();
        if known.is_some() || self.orphaned_for() < GRACE { Ok(known) } else { Err(lost()) }
    }

    /// How long nobody has known how the process ended.
    fn orphaned_for(&self) -> Duration {
        let mut orphaned_at = self.orphaned_at.lock().unwrap_or_else(PoisonError::into_inner);
        orphaned_at.get_or_insert_with(Instant::now).elapsed()
    }

    fn ask_default_template(&self) -> Option<ExitStatus> {
        let line = default_template::if_up()?;
        line.collect();
        line.take_orphan(self.pid)
    }

    pub(crate) fn wait_for_ever(&self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.wait(None)? {
                return Ok(status);
            }
        }
    }

    pub(crate) fn wait(&self, until: Option<Instant>) -> Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.check()? {
                return Ok(Some(status));
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(None);
            }
            self.sleep(until).map_err(|error| Error::system("wait", error))?;
        }
    }

    /// Sleeps until the status may be there.
    pub(crate) fn sleep(&self, until: Option<Instant>) -> io::Result<()> {
        let line = self.line().filter(|line| !line.is_closed());
        match (self.pidfd(), line) {
            // Its own wake-up; the line's is for its end alone, or each report would wake everybody.
            (Some(pidfd), Some(line)) if self.life() == Life::Runs => {
                let ended = if self.hangs_up { PollFlags::empty() } else { PollFlags::IN };
                watch::sleep(&[(pidfd, ended), (line.as_fd(), PollFlags::RDHUP)], until)
            }
            (Some(pidfd), None) if self.life() == Life::Runs => watch::sleep(&[(pidfd, PollFlags::IN)], until),
            (_, line) => {
                let tick = Instant::now() + TICK;
                let until = until.map_or(tick, |until| until.min(tick));
                let line = line.map(|line| (line.as_fd(), PollFlags::IN));
                watch::sleep(line.as_slice(), Some(until))
            }
        }
    }

    pub(crate) fn signal_numbered(&self, signal: i32) -> Result<()> {
        let signal = Signal::from_named_raw(signal).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "signal", format!("{signal} is none that can be sent"))
        })?;
        self.signal(signal)
    }

    /// Also if this program has given up the right to: its template has it still.
    pub(crate) fn kill_by_whoever_may(&self) {
        let denied = |error: &Error| error.raw_os_error() == Some(Errno::PERM.raw_os_error());
        if let (Err(error), Some((line, id))) = (self.signal(Signal::KILL), &self.line)
            && denied(&error)
        {
            let _ = line.signal(*id, Signal::KILL.as_raw());
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.maker.check("signal")?;
        let sent = match (&self.pidfd, &self.line) {
            (Some(pidfd), line) => match (pidfd::signal(pidfd, signal), line) {
                (Err(error), Some((line, id))) if pidfd::are_denied_signals(&error) => {
                    line.signal(*id, signal.as_raw())
                }
                (sent, _) => sent,
            },
            (None, Some((line, id))) => line.signal(*id, signal.as_raw()),
            (None, None) => return Err(no_pidfds()),
        };
        sent.map_err(|error| match error.kind() {
            std::io::ErrorKind::Unsupported => no_pidfds(),
            _ => Error::system("signal", error),
        })
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if strikes(Mutant::Close) {
            std::mem::forget(self.pidfd.take());
        }
        if let Some((line, id)) = &self.line
            && !line.is_foreign()
        {
            line.forget(*id);
        }
    }
}

fn no_pidfds() -> Error {
    Error::new(ErrorKind::Unsupported, "signal", "there are no pidfds here")
}

fn lost() -> Error {
    Error::new(
        ErrorKind::Lost,
        "wait",
        "the process has ended, but its template was gone before it, and nobody else can tell how it ended",
    )
}
