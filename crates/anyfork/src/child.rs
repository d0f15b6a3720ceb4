//! A running external program: its pipes, its number, signals, its end.

use crate::command::Pipes;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::exited::Exited;
use crate::pty::Pty;
use crate::status::ExitStatus;
use crate::tree::Tree;
use crate::worker::{KillOnDrop, Lifeline};
use rustix::event::{PollFd, PollFlags};
use rustix::process::Signal;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A program that was started by a [`Command`](crate::Command): as [`std::process::Child`], and more.
///
/// **Dropping** it closes its pipes and nothing else: the program goes on; with [`kill_on_drop`](crate::Command::kill_on_drop) it is killed. No zombie stays in
/// either case. In a fork of the program that made it a `Child` is inert: its methods fail.
#[derive(Debug)]
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

    /// Waits at most that long. `None`: the program still runs. Its standard input stays open.
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
    /// [`System`](ErrorKind::System) if reading fails; else as [`wait`](Child::wait).
    pub fn wait_with_output(mut self) -> Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        read_both(self.stdout.take(), &mut stdout, self.stderr.take(), &mut stderr)
            .map_err(|error| Error::system("read the output", error))?;
        Ok(Output { status: self.wait()?, stdout, stderr })
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

    /// Kills the program and all that it has started, and returns when none of them is left (a few milliseconds, 10 s at the longest).
    ///
    /// - With [`cgroup`](crate::Command::cgroup): all processes of that control group and those below it, whoever started them. Give each program a group of its own, and nothing escapes.
    /// - Otherwise: its descendants; if it leads a [session](crate::Command::setsid) or a [process group](crate::Command::process_group) also those processes in
    ///   it whose parents have ended. They are stopped until no new one appears, and then killed, so that forking does not help them.
    ///   What has left session and group *and* lost its parent is not found, unless the program [adopts orphans](crate::Command::adopt_orphans).
    ///   Even so, those that fork and end every few milliseconds outside of the group may be missed: a control group holds them.
    ///
    /// After that, [`wait`](Child::wait) tells how the program itself ended.
    ///
    /// # Errors
    /// [`System`](ErrorKind::System) if the kernel refuses (a process of another user: the others are killed), [`Deadline`](ErrorKind::Deadline) if some are still there after
    /// 10 s, [`Unsupported`](ErrorKind::Unsupported) without pidfds or `/proc`, [`InvalidInput`](ErrorKind::InvalidInput) if this program is in the control group itself.
    pub fn kill_tree(&self) -> Result<()> {
        self.life.check_maker("kill_tree")?;
        Tree { life: &self.life, leads_group: self.leads_group, cgroup: self.cgroup.as_ref() }.kill()
    }

    /// Gives the handle up: the program goes on even if `kill_on_drop` was asked for.
    pub fn detach(mut self) {
        self.guard.disarm();
    }
}

/// Reads two pipes to their ends, whichever has something.
fn read_both(
    mut first: Option<ChildStdout>,
    first_to: &mut Vec<u8>,
    mut second: Option<ChildStderr>,
    second_to: &mut Vec<u8>,
) -> io::Result<()> {
    while let (Some(out), Some(err)) = (&mut first, &mut second) {
        let mut polls = [PollFd::new(&*out, PollFlags::IN), PollFd::new(&*err, PollFlags::IN)];
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut polls, None))?;
        let [out_ready, err_ready] = polls.map(|poll| !poll.revents().is_empty());
        if out_ready && read_some(out, first_to)? == 0 {
            first = None;
        }
        if err_ready && read_some(err, second_to)? == 0 {
            second = None;
        }
    }
    if let Some(mut out) = first {
        out.read_to_end(first_to)?;
    }
    if let Some(mut err) = second {
        err.read_to_end(second_to)?;
    }
    Ok(())
}

/// Reads once.
fn read_some(from: &impl AsFd, to: &mut Vec<u8>) -> io::Result<usize> {
    to.reserve(16 * 1024);
    Ok(rustix::io::retry_on_intr(|| rustix::io::read(from, rustix::buffer::spare_capacity(to)))?)
}
