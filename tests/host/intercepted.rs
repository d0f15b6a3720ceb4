//! One of everything, small and in a fixed order, for tests that interfere at a system call of this program or of its processes. What each step came to is told:
//! what it returned, or `error` with kind, errno and text.

use crate::{Outcome, entries, pause, say};
use anyfork::{Blob, Command, ExitStatus, Exited, Inputs, Process, Result, Starting, Stdio, Worker};
use anyfork_tests::LONG;
use rustix::event::{PollFd, PollFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The time of a step that has little.
const HURRY: Duration = Duration::from_secs(1);

/// So long after its deadline a step may still be under way on a busy machine.
const LATE: Duration = Duration::from_millis(500);

/// With the steps that have little time.
pub(crate) fn run(hurried: &[&str]) -> Outcome {
    let file = File::open("/proc/self/exe")?;
    anyfork_tests::interception::begin()?;
    Steps { prefix: "", hurried, file: &file }.all();
    pause("settled");
    // Nothing interferes any more.
    Steps { prefix: "again-", hurried: &[], file: &file }.all();
    pause("done");
    Ok(())
}

static PREPARED: OnceLock<u8> = OnceLock::new();

#[anyfork::entry]
fn prepare(number: u8) {
    PREPARED.get_or_init(|| number);
}

/// Answers one octet with the next one, and ends with a code made of all that it was given.
#[anyfork::entry]
fn serve(mut socket: UnixStream, file: File, number: u8, large: Blob) -> std::io::Result<ExitCode> {
    let mut octet = [0];
    socket.read_exact(&mut octet)?;
    socket.write_all(&[octet[0] + 1])?;
    let (is_file, is_whole) = (u8::from(file.metadata()?.is_file()), u8::from(*large == LARGE));
    Ok((PREPARED.get().copied().unwrap_or_default() + number + is_file + is_whole).into())
}

/// So large that it travels in a memory file.
static LARGE: [u8; 100_000] = [7; 100_000];

#[anyfork::entry]
fn leave(_file: File, code: u8) -> ExitCode {
    code.into()
}

#[anyfork::entry]
fn stay(_rest: Inputs) {
    entries::linger();
}

struct Steps<'a> {
    prefix: &'static str,
    hurried: &'a [&'a str],
    file: &'a File,
}

impl Steps<'_> {
    /// How long a step may take.
    fn time(&self, step: &str) -> Duration {
        if self.hurried.contains(&step) { HURRY } else { LONG }
    }

    fn all(&self) {
        self.of_a_template();
        self.of_a_fresh_exec();
        self.of_a_program();
    }

    fn of_a_template(&self) {
        let process = Process::new().call(prepare, [1]).fd(self.file).deadline(self.time("template"));
        let Some(template) = self.made("template", || process.template()) else { return };
        let worker = template.fork().arg(2).arg(LARGE).blocking_socket(true).deadline(self.time("worker"));
        if let Some(worker) = self.made("worker", || worker.run(serve)) {
            self.told("answer", || exchange(&worker, self.time("answer")), u8::to_string);
            self.ended("status", || worker.wait_timeout(self.time("status")));
        }
        let bound = template.fork().die_with_owner(true).deadline(self.time("bound"));
        if let Some(bound) = self.made("bound", || bound.run(stay)) {
            self.told("kill", || bound.kill(), |()| "sent".into());
            self.ended("bound-status", || bound.wait_timeout(self.time("bound-status")));
        }
        let polled = template.fork().arg(6).deadline(self.time("polled"));
        if let Some(polled) = self.made("polled", || polled_start(polled.start(leave))) {
            self.ended("polled-status", || self.polled_end(polled.exited()));
        }
    }

    fn of_a_fresh_exec(&self) {
        let process = Process::exec().arg(3).deadline(self.time("fresh"));
        if let Some(fresh) = self.made("fresh", || process.run(entries::exit_with)) {
            self.ended("fresh-status", || fresh.wait_timeout(self.time("fresh-status")));
        }
    }

    fn of_a_program(&self) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exit 7"]).stdin(Stdio::null()).deadline(self.time("program"));
        if let Some(program) = self.made("program", || command.spawn()) {
            self.ended("program-status", || program.wait_timeout(self.time("program-status")));
        }
    }

    fn polled_end(&self, mut exited: Exited) -> Result<Option<ExitStatus>> {
        let until = Instant::now() + self.time("polled-status");
        loop {
            let status = exited.try_finish()?;
            if status.is_some() || until < Instant::now() {
                return Ok(status);
            }
            poll(&exited, until);
        }
    }

    fn made<T>(&self, step: &str, make: impl FnOnce() -> Result<T>) -> Option<T> {
        self.told(step, make, |_| "made".into())
    }

    fn ended(&self, step: &str, wait: impl FnOnce() -> Result<Option<ExitStatus>>) {
        self.told(step, wait, |status| status.map_or("none".into(), |status| status.to_string()));
    }

    /// Takes a step, and tells what it came to, and whether it was longer under way than it may be.
    fn told<T>(&self, step: &str, take: impl FnOnce() -> Result<T>, shown: impl FnOnce(&T) -> String) -> Option<T> {
        let begin = Instant::now();
        let result = take();
        let late = if begin.elapsed() > self.time(step) + LATE { "late " } else { "" };
        let told = match &result {
            Ok(value) => shown(value),
            Err(error) => format!("error {:?} {} {error}", error.kind(), error.raw_os_error().unwrap_or(0)),
        };
        say(&format!("{}{step}", self.prefix), format!("{late}{told}"));
        result.ok()
    }
}

/// As an event loop does.
fn polled_start(mut starting: Starting<Worker>) -> Result<Worker> {
    loop {
        if let Some(worker) = starting.try_finish()? {
            return Ok(worker);
        }
        poll(&starting, Instant::now() + LONG);
    }
}

fn poll(what: &impl AsFd, until: Instant) {
    let timeout = until.saturating_duration_since(Instant::now()).try_into().ok();
    // If it fails there is another question too many.
    let _ = rustix::event::poll(&mut [PollFd::new(what, PollFlags::IN)], timeout.as_ref());
}

fn exchange(worker: &Worker, limit: Duration) -> Result<u8> {
    let mut socket = worker.socket();
    let mut octet = [7];
    // An error here is the worker's end, which its status tells; nothing else is asked for.
    let _ = socket.set_read_timeout(Some(limit));
    let answered = socket.write_all(&octet).and_then(|()| socket.read_exact(&mut octet));
    Ok(answered.map_or(0, |()| octet[0]))
}
