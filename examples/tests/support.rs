//! An example that runs: its lines, its end, and the processes it may have left.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

/// No step of an example takes so long, in a debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// How soon all processes must be gone after the main program's end, `kill -9` included.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(1);

/// In the environment of the main program and of all that it starts: none escapes, whatever its title or parent.
const MARK: &str = "ANYFORK_EXAMPLE";

pub(crate) struct Example {
    child: Child,
    mark: String,
    lines: Receiver<String>,
    errors: Receiver<String>,
    /// The lines that have been read.
    seen: Vec<String>,
}

/// How an example ended, and all it printed.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
}

/// Runs an example to its end, which must be a good one.
pub(crate) fn run(name: &str, args: &[&str]) -> Vec<String> {
    Example::start(name, args).finish_well()
}

impl Example {
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        // Tests are in target/PROFILE/deps, examples in target/PROFILE/examples.
        let test = env::current_exe().expect("the path of this test");
        let profile = test.ancestors().nth(2).expect("a test is two levels deep");
        let program = profile.join("examples").join(name);
        let hint = "`cargo test -p anyfork-examples` without `--test` builds the examples";
        assert!(program.exists(), "{} is not there: {hint}", program.display());
        Self::of(Command::new(program).args(args))
    }

    fn of(command: &mut Command) -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{MARK}={}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        let (name, value) = mark.split_once('=').expect("just written");
        let command = command.env(name, value).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // As a shell does it for each command, so that Ctrl-C reaches all of the command and nobody else.
        let command = command.process_group(0);
        let mut child = command.spawn().expect("start the example");
        let lines = read_lines(child.stdout.take().expect("piped"));
        let mut stderr = child.stderr.take().expect("piped");
        let (sender, errors) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = sender.send(text);
        });
        Example { child, mark, lines, errors, seen: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line that holds `text`.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no line with {text:?} ({error}) after {:#?}", self.seen),
            }
            if let Some(line) = self.seen.last().filter(|line| line.contains(text)) {
                return line.clone();
            }
        }
    }

    /// Waits for the end of the main program, and for that of all it has started.
    pub(crate) fn finish(mut self) -> Finished {
        let until = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait for the example") {
                break status;
            }
            assert!(Instant::now() < until, "the example goes on and on, after {:#?}", self.seen);
            thread::sleep(Duration::from_millis(2));
        };
        self.assert_nobody_left();
        // Nobody holds the pipes any more, so they are at their ends.
        while let Some(line) = self.next_line() {
            self.seen.push(line);
        }
        let errors = self.errors.recv_timeout(LIMIT).expect("the end of standard error");
        Finished { status, lines: std::mem::take(&mut self.seen), errors }
    }

    /// The same, with success, without a word on standard error. The lines it has printed.
    pub(crate) fn finish_well(self) -> Vec<String> {
        let Finished { status, lines, errors } = self.finish();
        assert!(status.success(), "the example ended with {status}: {errors}");
        assert_eq!(errors, "", "the example has printed errors");
        lines
    }

    fn next_line(&self) -> Option<String> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("somebody holds standard output open"),
        }
    }

    fn assert_nobody_left(&self) {
        let until = Instant::now() + AT_ONCE;
        while let left @ [_, ..] = &*self.processes() {
            assert!(Instant::now() < until, "left behind: {left:?}, after {:#?}", self.seen);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The processes of this run that live.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let all = anyfork_examples::all_processes().expect("read /proc");
        let ours = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|octet| *octet == 0).any(|variable| variable == self.mark.as_bytes())
        };
        all.iter().map(|process| process.pid).filter(ours).collect()
    }
}

/// Whatever a failed test leaves is killed, each by its number.
impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.processes().into_iter().for_each(|pid| signal(pid, Signal::KILL));
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    // It may have ended by now.
    let _ = kill_process(number(pid), signal);
}

/// What the terminal does at Ctrl-C.
pub(crate) fn ctrl_c(example: &Example) {
    kill_process_group(number(example.pid()), Signal::INT).expect("signal the process group");
}

fn number(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process number")
}

/// The first number in a line, after `before`.
pub(crate) fn number_after(line: &str, before: &str) -> u32 {
    let rest = line.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {line:?}")).1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number after {before:?} in {line:?}"))
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// The control: a process that stays behind is found.
#[test]
fn a_process_that_stays_is_found() {
    let mut example = Example::of(Command::new("sh").args(["-c", "sleep 60 & echo started"]));
    example.line_with("started");
    example.child.wait().expect("wait for the shell");
    // It may be at its exec, in which a process has no environment.
    let until = Instant::now() + LIMIT;
    while example.processes().len() != 1 {
        assert!(Instant::now() < until, "the sleeping process was never found");
        thread::sleep(Duration::from_millis(2));
    }
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| example.assert_nobody_left()));
    assert!(outcome.is_err(), "the sleeping process was not noticed");
}
