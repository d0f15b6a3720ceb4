//! What the loops wait for, the same in each of them: workers and a program that start, and then end.
//!
//! Nothing in here knows a loop. What is pending has a descriptor, and is asked when that is readable.

use anyfork::{Child, Command, Exited, Process, Starting, Worker};
use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// How often the loops tick, which is what else they do.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// Works for so long and ends with this code.
#[anyfork::entry]
fn work(milliseconds: u64, code: u8) -> ExitCode {
    thread::sleep(Duration::from_millis(milliseconds));
    ExitCode::from(code)
}

/// A preparation that takes too long.
#[anyfork::entry]
fn dawdle() {
    thread::sleep(Duration::from_secs(60));
}

/// A process, and what is awaited of it now.
pub(crate) struct Job {
    name: String,
    /// In a box, so that it is cheap to hand on.
    awaited: Box<Awaited>,
}

enum Awaited {
    Worker(Starting<Worker>),
    Program(Starting<Child>),
    End(Exited),
}

/// The answer to the question how far a job is.
pub(crate) enum Progress {
    /// To be asked again when its descriptor is readable.
    Pending,
    /// It has started. The next to be awaited, with another descriptor, is its end.
    Started(Job),
    Over,
}

/// Starts everything at once. Nothing is waited for.
pub(crate) fn start_all() -> Vec<Job> {
    let soon = Duration::from_millis(100);
    let workers = [
        Process::new().arg(300).arg(0).start(work),
        Process::new().arg(100).arg(2).start(work),
        Process::new().arg(200).arg(3).start(work),
        Process::new().arg("briefly").arg(4).start(work),
        Process::new().call(dawdle, anyfork::NO_ARGS).arg(0).arg(5).deadline(soon).start(work),
    ];
    let jobs =
        (1..).zip(workers).map(|(number, starting)| Job::new(format!("worker {number}"), Awaited::Worker(starting)));
    let program = Command::new("sh").args(["-c", "exit 7"]).start();
    jobs.chain([Job::new("program".to_owned(), Awaited::Program(program))]).collect()
}

impl Job {
    fn new(name: String, awaited: Awaited) -> Self {
        Job { name, awaited: Box::new(awaited) }
    }

    /// Asks how far it is, and tells if it has come further. Never blocks.
    ///
    /// To be called first of all, as some starts fail at once, and then each time that the descriptor is readable.
    pub(crate) fn ask(&mut self) -> Progress {
        let started = match &mut *self.awaited {
            Awaited::Worker(starting) => {
                starting.try_finish().map(|worker| worker.map(|worker| (worker.pid(), worker.exited())))
            }
            Awaited::Program(starting) => {
                starting.try_finish().map(|child| child.map(|child| (child.id(), child.exited())))
            }
            Awaited::End(exited) => match exited.try_finish() {
                Ok(None) => return Progress::Pending,
                Ok(Some(status)) => return self.over(status),
                Err(error) => return self.over(error),
            },
        };
        match started {
            Ok(None) => Progress::Pending,
            Ok(Some((pid, exited))) => {
                println!("{} has started, process {pid}", self.name);
                Progress::Started(Job::new(self.name.clone(), Awaited::End(exited)))
            }
            Err(error) => self.over(format_args!("{:?}: {error}", error.kind())),
        }
    }

    fn over(&self, how: impl Display) -> Progress {
        println!("{}: {how}", self.name);
        Progress::Over
    }
}

/// What a loop has to know of it.
impl AsFd for Job {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &*self.awaited {
            Awaited::Worker(starting) => starting.as_fd(),
            Awaited::Program(starting) => starting.as_fd(),
            Awaited::End(exited) => exited.as_fd(),
        }
    }
}
