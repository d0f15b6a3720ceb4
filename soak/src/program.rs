//! The program under test, as a child of the observer.

use crate::family::{self, Member};
use crate::plan::Task;
use crate::words::Word;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Dropping it kills it and everything that came from it.
pub(crate) struct Program {
    child: Child,
    stdin: ChildStdin,
    words: Receiver<Result<Word, String>>,
}

impl Program {
    pub(crate) fn start(task: &Task) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["subject", &task.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let (sender, words) = channel();
        // Ends when the last process that holds the pipe has ended: `drop` sees to that.
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.map(|line| line.parse()).try_for_each(|word| sender.send(word))
        });
        Ok(Program { child, stdin, words })
    }

    /// Its session, too.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
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
        let until = Instant::now() + limit;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that come from it and live, itself included.
    pub(crate) fn family(&self) -> Vec<Member> {
        family::of_session(self.pid()).into_iter().filter(|member| !member.is_dead()).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Again until none is left: a process may have been about to fork.
        for _ in 0..100 {
            let left = self.family();
            if left.is_empty() {
                break;
            }
            left.iter().for_each(family::kill);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
