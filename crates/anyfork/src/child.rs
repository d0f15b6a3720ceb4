//! A running external program: its pipes, its number, signals, its end.

use crate::command::Pipes;
use crate::ending::Ending;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::exited::Exited;
use crate::kill_on_drop::KillOnDrop;
use crate::pty::Pty;
use crate::status::ExitStatus;
use crate::sys::stdio::duplicate;
use crate::tree::{Killing, Tree};
use crate::watch::Watch;
use crate::worker::Lifeline;
use rustix::process::Signal;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A program that was started by a [`Command`](crate::Command): as [`std::process::Child`], and more.
///
/// **Dropping** it closes its pipes and nothing else: the program goes on; with [`kill_on_drop`](crate::Command::kill_on_drop) it is killed. No zombie stays in
/// either case. In a fork of the program that made it a `Child` is inert: its methods fail. Only [`wait`](Child::wait), [`wait_timeout`](Child::wait_timeout), [`wait_with_output`](Child::wait_with_output) and
/// [`kill_tree`](Child::kill_tree) block.
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// let mut child = anyfork::Command::new("sleep").arg("60").spawn()?;
/// assert!(child.try_wait()?.is_none());
/// child.signal(libc::SIGTERM)?;
/// assert_eq!(child.wait()?.signal(), Some(libc::SIGTERM));
/// # Ok(())
/// # }
/// ```
pub struct Child {
    /// Its standard input, if that was [`piped`](crate::Stdio::piped).
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that was piped.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that was piped.
    pub stderr: Option<ChildStderr>,
    /// Its terminal, if it was started with [`pty`](crate::Command::pty).
    pub pty: Option<Pty>,
    guard: KillOnDrop,
    life: Arc<Lifeline>,
    leads_group: bool,
    cgroup: Option<OwnedFd>,
}

/// What is made before the program, and belongs to its [`Child`].
#[derive(Debug, Default)]
pub struct Parts {
    pub(crate) pipes: Pipes,
    pub(crate) pty: Option<Pty>,
    pub(crate) leads_group: bool,
    pub(crate) cgroup: Option<OwnedFd>,
}

/// How a program ended, and what it wrote: as [`std::process::Output`].
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// let output = anyfork::Command::new("sh").args(["-c", "echo done; echo but >&2; exit 3"]).output()?;
/// assert_eq!((&*output.stdout, &*output.stderr), (&b"done\n"[..], &b"but\n"[..]));
/// assert_eq!(output.status.code(), Some(3));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// Its exit status, with what it used.
    pub status: ExitStatus,
    /// What it wrote to standard output, if that was piped.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, if that was piped.
    pub stderr: Vec<u8>,
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Child { stdin, stdout, stderr, pty, .. } = self;
        let mut shown = f.debug_struct("Child");
        shown.field("pid", &self.id()).field("stdin", stdin).field("stdout", stdout).field("stderr", stderr);
        shown.field("pty", pty).finish_non_exhaustive()
    }
}

impl Child {
    pub(crate) fn new(life: Lifeline, parts: Parts, kill_on_drop: bool) -> Self {
        let life = Arc::new(life);
        let Parts { pipes, pty, leads_group, cgroup } = parts;
        Child {
            stdin: pipes.stdin,
            stdout: pipes.stdout,
            stderr: pipes.stderr,
            pty,
            guard: KillOnDrop::new(kill_on_drop, &life),
            life,
            leads_group,
            cgroup,
        }
    }

    /// The number of the process. It stays its own as long as it lives; after that use the handle, not the number.
    pub fn id(&self) -> u32 {
        self.life.pid()
    }

    /// The pidfd, pidfd_open(2): readable when the process has ended. `None` where the system refuses pidfds.
    ///
    /// It may be readable a moment before the exit status is there; to wait for the status use [`Child::exited`].
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.life.pidfd()
    }

    /// Waits until the program has ended. Blocks without a limit. Its standard input is closed first, as by std, so that it does not wait for more.
    ///
    /// # Errors
    /// As [`Worker::wait`](crate::Worker::wait).
    pub fn wait(&mut self) -> Result<ExitStatus> {
        drop(self.stdin.take());
        self.life.wait_for_ever()
    }

    /// Waits at most that long. Blocks. `None`: the program still runs. Its standard input stays open.
    ///
    /// # Errors
    /// As [`wait`](Child::wait).
    pub fn wait_timeout(&self, limit: Duration) -> Result<Option<ExitStatus>> {
        self.life.wait(Instant::now().checked_add(limit))
    }

    /// Looks whether the program has ended. Never blocks.
    ///
    /// # Errors
    /// As [`wait`](Child::wait).
    pub fn try_wait(&self) -> Result<Option<ExitStatus>> {
        self.life.check()
    }

    /// Takes in all that the program writes to its pipes, and waits for its end. Blocks until both pipes are closed (by all processes that have them) and the program has ended.
    /// Its standard input is closed first.
    ///
    /// # Errors
    /// [`System`](ErrorKind::System) if reading fails, which kills the program; else as [`wait`](Child::wait).
    pub fn wait_with_output(self) -> Result<Output> {
        self.into_output().wait()
    }

    /// All that the program writes to its pipes, and its end, as a value that an event loop can wait for. Its standard input is closed first.
    ///
    /// **Dropping** that kills the program, as nobody has another handle to it.
    pub fn into_output(self) -> Ending<Output> {
        Ending::of_child(self)
    }

    /// The program's end as a value that an event loop can wait for. It does not keep the `Child` borrowed.
    pub fn exited(&self) -> Exited {
        Exited::new(Arc::clone(&self.life))
    }

    /// Sends a signal, such as `libc::SIGTERM`; real-time signals cannot be sent. Sending to a program that has ended is no error, and reaches nobody else.
    ///
    /// # Errors
    /// As [`Worker::signal`](crate::Worker::signal).
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.life.signal_numbered(signal)
    }

    /// Kills the program: SIGKILL. Does not wait for its end.
    ///
    /// # Errors
    /// As [`signal`](Child::signal).
    pub fn kill(&self) -> Result<()> {
        self.life.signal(Signal::KILL)
    }

    /// Kills the program and all that it has started, and returns when none of them is left. Blocks (a few milliseconds, 10 s at the longest).
    ///
    /// - With [`cgroup`](crate::Command::cgroup): all processes of that control group and those below it, whoever started them. Give each program a group of its own, and nothing escapes.
    /// - Otherwise: its descendants; if it leads a [session](crate::Command::setsid) or a [process group](crate::Command::process_group) also those processes in
    ///   it whose parents have ended. They are stopped until no new one appears, and then killed, so that forking does not help them.
    ///   What has left session and group *and* lost its parent is not found, unless the program [adopts orphans](crate::Command::adopt_orphans).
    ///   Even so, those that fork and end every few milliseconds outside of the group may be missed: a control group holds them.
    ///
    /// After that, [`wait`](Child::wait) tells how the program itself ended.
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// # use anyfork::{Command, Stdio};
    /// let script = "(sleep 1; echo alive) & wait";
    /// let child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).setsid(true).spawn()?;
    /// child.kill_tree()?;
    /// let output = child.wait_with_output()?; // at once: nobody has the pipe any more
    /// assert_eq!((output.status.signal(), &*output.stdout), (Some(libc::SIGKILL), &b""[..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`System`](ErrorKind::System) if the kernel refuses (a process of another user: the others are killed), [`Deadline`](ErrorKind::Deadline) if some are still there after
    /// 10 s, [`Unsupported`](ErrorKind::Unsupported) without pidfds or `/proc`, [`InvalidInput`](ErrorKind::InvalidInput) if this program is in the control group itself,
    /// [`ForeignHandle`](ErrorKind::ForeignHandle) in a fork of the program.
    pub fn kill_tree(&self) -> Result<()> {
        self.start_kill_tree().wait()
    }

    /// As [`kill_tree`](Child::kill_tree), as a value that an event loop can wait for. What can be found at once is stopped at the first question. Each question reads `/proc` as far as the tree
    /// goes, and blocks for nothing else. See [`Killing`].
    pub fn start_kill_tree(&self) -> Killing {
        let cgroup = self.cgroup.as_ref().map(duplicate).transpose();
        let cgroup = cgroup.map_err(|errno| Error::system("kill_tree", errno));
        let of = |cgroup| Tree { life: Arc::clone(&self.life), leads_group: self.leads_group, cgroup };
        Killing::new(cgroup.map(of))
    }

    /// As [`exited`](Child::exited), seen by a watch that somebody has already.
    pub(crate) fn exited_seen_by(&self, watch: Arc<Watch>) -> io::Result<Exited> {
        Exited::seen_by(Arc::clone(&self.life), watch)
    }

    pub(crate) fn is_foreign(&self) -> bool {
        self.life.check_maker("wait").is_err()
    }

    /// Sleeps until the exit status may be there.
    pub(crate) fn sleep(&self) -> io::Result<()> {
        self.life.sleep(None)
    }

    pub(crate) fn kill_when_dropped(&mut self) {
        self.guard.arm(&self.life);
    }

    /// Gives the handle up: the program goes on even if `kill_on_drop` was asked for.
    pub fn detach(mut self) {
        self.guard.disarm();
    }
}
