//! What the tests share: the host program as a child that can be talked to, killed and disturbed, looking at processes, and
//! waiting for a condition.

#[path = "support/interception/mod.rs"]
pub mod interception;

#[path = "support/kernel.rs"]
mod kernel;

#[path = "support/processes.rs"]
mod processes;

#[path = "support/runtimes.rs"]
mod runtimes;

#[path = "support/ways.rs"]
mod ways;

pub use kernel::*;
pub use processes::*;
pub use runtimes::*;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
pub use ways::end_by;

/// Longer than anything in these tests takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);

/// How long what must not outlive its owner may still be there.
pub const SOON: Duration = Duration::from_secs(1);

/// Says why a test cannot run here. With `ANYFORK_REQUIRE_ALL=1` that is a failure: where all is there, none may be left out.
#[track_caller]
pub fn skipped(why: &str) {
    let all = std::env::var("ANYFORK_REQUIRE_ALL").is_ok_and(|all| all == "1");
    assert!(!all, "skipped, and ANYFORK_REQUIRE_ALL is set: {why}");
    eprintln!("skipped: {why}");
}

/// Starts the host program with a scenario and its arguments.
#[macro_export]
macro_rules! host {
    ($($argument:expr),+ $(,)?) => {
        $crate::Host::start($crate::Host::command(env!("CARGO_BIN_EXE_host"), &[$($argument),+]))
    };
}

/// A running host program. Dropping it kills it and everything that came from it.
#[derive(Debug)]
pub struct Host {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    facts: BTreeMap<String, String>,
    output: String,
    tag: String,
}

impl Host {
    /// How the host program is started, for tests that change something about it before [`Host::start`].
    pub fn command(program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// Starts it.
    pub fn start(mut command: Command) -> Host {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let tag = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let stderr = fs::File::create(error_file(&tag)).unwrap();
        let mut child = command.stderr(stderr).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        // Ends when the last process that holds the pipe has ended: `drop` sees to that.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let (facts, output) = Default::default();
        Host { stdin: child.stdin.take(), child, lines, facts, output, tag }
    }

    /// The number of the host's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The value of a fact, when the host has told it.
    pub fn fact(&mut self, key: &str) -> String {
        self.fact_within(LONG, key)
    }

    /// The same, of a host that has much to do before.
    pub fn fact_within(&mut self, limit: Duration, key: &str) -> String {
        let until = Instant::now() + limit;
        while !self.facts.contains_key(key) {
            let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) else {
                panic!("the host never told {key:?}; it told {:?} and wrote: {}", self.facts, self.errors())
            };
            self.note(&line);
        }
        self.facts[key].clone()
    }

    fn note(&mut self, line: &str) {
        self.output += &format!("{line}\n");
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        self.facts.insert(key.to_owned(), value.to_owned());
    }

    /// All that the host has told so far.
    pub fn facts(&mut self) -> &BTreeMap<String, String> {
        while let Ok(line) = self.lines.try_recv() {
            self.note(&line);
        }
        &self.facts
    }

    /// A fact that is a number.
    pub fn number(&mut self, key: &str) -> u32 {
        let value = self.fact(key);
        value.parse().unwrap_or_else(|_| panic!("{key} {value:?} is no number; {}", self.errors()))
    }

    /// Facts that are numbers, separated by spaces.
    pub fn numbers(&mut self, key: &str) -> Vec<u32> {
        self.fact(key).split_whitespace().map(|number| number.parse().unwrap()).collect()
    }

    /// Lets a host go on that waits for it.
    pub fn go(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Waits for the ordinary end of the host.
    pub fn finish(&mut self) {
        self.fact("end");
        let status = within(LONG, "the end of the host", || self.try_wait());
        assert!(status.success(), "{status}: {}", self.errors());
    }

    /// How the host has ended, if it has.
    pub fn try_wait(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Whether it has told anything, to be asked at its end.
    pub fn told_anything(&self) -> bool {
        self.lines.recv_timeout(LONG).is_ok()
    }

    /// Kills the host as `kill -9` does, and waits for it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What the host and its processes wrote to standard error.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&fs::read(error_file(&self.tag)).unwrap_or_default()).into_owned()
    }

    /// What has been read of standard output.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// The host's only child: the default template.
    pub fn default_template(&self) -> u32 {
        let children = children(self.pid());
        assert_eq!(children.len(), 1, "{children:?}");
        children[0]
    }

    /// All living processes that come from this host, and itself: its session, wherever they were adopted.
    pub fn family(&self) -> Vec<u32> {
        pids().into_iter().filter(|pid| lives(*pid) && stat(*pid).is_some_and(|it| it.session == self.pid())).collect()
    }

    /// Whether nobody is left but the host and its default template, dead ones included.
    pub fn has_only_its_template(&self) -> bool {
        self.family().len() == 2 && self.zombies().is_empty()
    }

    /// The dead of this family that nobody has waited for.
    pub fn zombies(&self) -> Vec<u32> {
        let family = self.family();
        let is_one = |pid: &u32| stat(*pid).is_some_and(|it| it.state == 'Z' && family.contains(&it.parent));
        pids().into_iter().filter(is_one).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Again until none is left: a process may have been about to fork.
        for _ in 0..100 {
            let left = self.family();
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(|pid| signal(pid, Signal::KILL));
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = fs::remove_file(error_file(&self.tag));
    }
}

fn error_file(tag: &str) -> PathBuf {
    std::env::temp_dir().join(format!("anyfork-host-{tag}.stderr"))
}

/// A path that no other test uses, in a directory of its own, which is removed with what is in it.
#[derive(Debug)]
pub struct Scratch(String);

impl Scratch {
    /// Makes the directory.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("anyfork-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Scratch(directory.join(name).to_str().unwrap().to_owned())
    }
}

impl std::ops::Deref for Scratch {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = PathBuf::from(&self.0).parent().map(fs::remove_dir_all);
    }
}

/// Asks again and again until there is an answer.
pub fn within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
