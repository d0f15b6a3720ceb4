//! The program under test, as a child of the observer.

use crate::family::{self, Member};
use crate::plan::{Soak, Task};
use crate::words::Word;
use rustix::process::{WaitOptions, WaitStatus, getpid, set_child_subreaper};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Dropping it kills it and everything that came from it.
pub(crate) struct Program {
    pid: u32,
    stdin: ChildStdin,
    words: Receiver<Result<Word, String>>,
    end: Receiver<ExitStatus>,
    ended: Option<ExitStatus>,
    adopter: Option<JoinHandle<()>>,
}

impl Program {
    pub(crate) fn start(task: &Task) -> io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["subject", &task.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        if task.soak == Soak::Faults {
            // Errors allocate in many sizes, and glibc keeps some freed pieces of each, 230 KB in all, which it takes a while to have: that would look like a leak.
            command.env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");
        }
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let (sender, words) = channel();
        // Ends when the last process that holds the pipe has ended: `drop` sees to that.
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.map(|line| line.parse()).try_for_each(|word| sender.send(word))
        });
        let pid = child.id();
        let (sender, end) = channel();
        let adopter = std::thread::spawn(move || {
            adopt(|ended, status| {
                if ended == pid {
                    let _ = sender.send(status);
                }
            });
        });
        Ok(Program { pid, stdin, words, end, ended: None, adopter: Some(adopter) })
    }

    /// Its session, too.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// What it says within a time. A line that is no word is an error.
    pub(crate) fn hear(&self, limit: Duration) -> Option<Result<Word, String>> {
        match self.words.recv_timeout(limit) {
            Ok(word) => Some(word),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err("its standard output is closed".into())),
        }
    }

    /// It waits after a pause: now it goes on. If it has ended, its status tells.
    pub(crate) fn go_on(&mut self) {
        let _ = self.stdin.write_all(b"\n");
    }

    /// How it ended, if it does within a time.
    pub(crate) fn end(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.ended = self.ended.or_else(|| self.end.recv_timeout(limit).ok());
        self.ended
    }

    /// It has ended, and not as it should: what it started may still hold its standard output.
    pub(crate) fn has_failed(&mut self) -> bool {
        self.end(Duration::ZERO).is_some_and(|status| !status.success())
    }

    /// All that come from it and live, itself included.
    pub(crate) fn family(&self) -> Vec<Member> {
        family::of_session(self.pid).into_iter().filter(|member| !member.is_dead()).collect()
    }
}

/// Orphans of killed templates come to this process, which is a better parent than some init programs: it waits for all, at once.
fn adopt(mut ended: impl FnMut(u32, ExitStatus)) {
    while let Ok(child) = rustix::io::retry_on_intr(|| rustix::process::wait(WaitOptions::empty())) {
        let known = child.map(|(pid, status): (_, WaitStatus)| (pid.as_raw_pid() as u32, status.as_raw()));
        known.into_iter().for_each(|(pid, status)| ended(pid, ExitStatus::from_raw(status)));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let left = || family::of_session(self.pid);
        // Again until none is left: a process may have been about to fork.
        while !left().is_empty() {
            left().iter().for_each(family::kill);
            std::thread::sleep(Duration::from_millis(5));
        }
        // It has nobody to wait for any more.
        let _ = self.adopter.take().map(JoinHandle::join);
    }
}
