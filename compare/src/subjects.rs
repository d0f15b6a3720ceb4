//! The processes that measure: one for each language and size of the main program, kept from turn to turn as long as there is memory.

use crate::limits::Limits;
use crate::names::STATIC;
use crate::system;
use crate::wire::{Reply, Request};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Longer than any turn takes, with the memory that is touched first.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a subject may have besides the memory that it is told to have: templates with memory of their own, workers.
const BESIDES: u64 = 700;

/// What measures a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rust,
    /// This program once more, linked statically.
    Static,
    Perl,
    Python,
    /// A program in C, started for each measurement.
    Limit,
}

/// The kind that measures this system.
pub(crate) fn kind(system: &str) -> Kind {
    match system {
        STATIC => Kind::Static,
        "AnyEvent::Fork" => Kind::Perl,
        "python-forkserver" => Kind::Python,
        "limit-forkloop" | "limit-template" => Kind::Limit,
        _ => Kind::Rust,
    }
}

/// Those that live, the last used one at the end.
pub(crate) struct Subjects {
    living: Vec<Subject>,
    /// Megabytes that all together may have.
    budget: u64,
    limits: Limits,
}

impl Subjects {
    pub(crate) fn new() -> Self {
        Subjects { living: Vec::new(), budget: system::available_memory() / 4 * 3, limits: Limits::default() }
    }

    /// Whether a main program of this size can be measured at all.
    pub(crate) fn have_room_for(&self, mib: u64) -> bool {
        mib <= 200 || mib + BESIDES <= self.budget
    }

    /// Has it measured in a program with so many megabytes resident.
    pub(crate) fn measure(&mut self, request: &Request, mib: u64) -> Reply {
        let kind = kind(&request.system);
        if kind == Kind::Limit {
            return self.limits.measure(request, mib);
        }
        let mut subject = match self.take(kind, mib) {
            Ok(subject) => subject,
            Err(error) => return Reply::Failed(format!("it could not be started: {error}")),
        };
        let reply = match kind {
            // It does not know how it was linked.
            Kind::Static => subject.ask(&Request { system: "anyfork".into(), ..request.clone() }),
            _ => subject.ask(request),
        };
        match reply {
            // In what state it is, nobody knows.
            Reply::Failed(_) => drop(subject),
            _ => self.living.push(subject),
        }
        reply
    }

    /// The one that lives, or a new one, for which others make room.
    fn take(&mut self, kind: Kind, mib: u64) -> std::io::Result<Subject> {
        if let Some(index) = self.living.iter().position(|subject| (subject.kind, subject.mib) == (kind, mib)) {
            return Ok(self.living.remove(index));
        }
        let used = |living: &[Subject]| living.iter().map(|subject| subject.mib).sum::<u64>();
        while !self.living.is_empty() && used(&self.living) + mib + BESIDES > self.budget {
            self.living.remove(0);
        }
        Subject::start(kind, mib)
    }
}

struct Subject {
    kind: Kind,
    mib: u64,
    process: Child,
    /// `None` once it is to end.
    requests: Option<ChildStdin>,
    replies: Receiver<String>,
}

impl Subject {
    fn start(kind: Kind, mib: u64) -> std::io::Result<Self> {
        let mut command = command(kind);
        command.arg(mib.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let (requests, output) = (process.stdin.take(), process.stdout.take());
        let (sender, replies) = channel();
        // Ends with the subject's output.
        std::thread::spawn(move || {
            let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Subject { kind, mib, process, requests, replies })
    }

    fn ask(&mut self, request: &Request) -> Reply {
        let asked = self.requests.as_mut().map(|requests| writeln!(requests, "{request}"));
        if !matches!(asked, Some(Ok(()))) {
            return Reply::Failed("its process has ended".into());
        }
        match self.replies.recv_timeout(PATIENCE) {
            Ok(line) => Reply::parse(&line),
            Err(RecvTimeoutError::Timeout) => Reply::Failed(format!("no answer in {PATIENCE:?}")),
            Err(RecvTimeoutError::Disconnected) => Reply::Failed("its process has ended".into()),
        }
    }
}

fn command(kind: Kind) -> Command {
    let script = |interpreter: &str, name: &str| {
        let mut command = Command::new(interpreter);
        command.arg(system::peers().join(name));
        // SAFETY: the function makes one system call, which concerns the new process alone.
        unsafe { command.pre_exec(without_huge_pages) };
        command
    };
    match kind {
        Kind::Perl => script("perl", "anyevent.pl"),
        Kind::Python => script("python3", "forkserver.py"),
        Kind::Rust | Kind::Limit => this_program("/proc/self/exe".into()),
        Kind::Static => this_program(system::static_program().unwrap_or_default()),
    }
}

fn this_program(file: OsString) -> Command {
    let mut command = Command::new(file);
    command.arg0("compare").arg("subject");
    command
}

/// Scripts cannot ask for small pages themselves; what they start has small ones then too.
fn without_huge_pages() -> std::io::Result<()> {
    // SAFETY: this call has no preconditions. Where it is not known, nothing happens.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    Ok(())
}

/// It ends when it reads end-of-file; if it hangs, it is ended.
impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.requests.take());
        for _ in 0..200 {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
