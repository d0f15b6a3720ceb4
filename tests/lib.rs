//! What the tests share: the host program as a child that can be talked to, killed and disturbed, looking at processes through
//! `/proc`, and waiting for a condition.

use rustix::process::{Pid, Signal};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything in these tests takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);

/// How long what must not outlive its owner may still be there.
pub const SOON: Duration = Duration::from_secs(1);

/// In the environment of a host and of all processes that come from it, wherever they were adopted.
const TAG: &str = "ANYFORK_TEST_HOST";

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
        let mut child = command.env(TAG, &tag).stderr(stderr).spawn().unwrap();
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
        let until = Instant::now() + LONG;
        while !self.facts.contains_key(key) {
            let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) else {
                panic!("the host never told {key:?}; it told {:?} and wrote: {}", self.facts, self.errors())
            };
            self.output += &format!("{line}\n");
            let (key, value) = line.split_once(' ').unwrap_or((&line, ""));
            self.facts.insert(key.to_owned(), value.to_owned());
        }
        self.facts[key].clone()
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
        let status = within(LONG, "the end of the host", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.errors());
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

    /// All living processes that come from this host, and itself. A process that is not dumpable hides.
    pub fn family(&self) -> Vec<u32> {
        let mark = format!("{TAG}={}", self.tag);
        let is_ours = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        };
        pids().into_iter().filter(is_ours).collect()
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
        // Twice: a process may have been about to fork.
        for pid in [self.family(), self.family()].concat() {
            signal(pid, Signal::KILL);
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

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// `R`, `S`, `T`, `Z`, ...
    pub state: char,
    /// The number of the parent.
    pub parent: u32,
}

/// What the system knows of a process. `None`: there is none of this number.
pub fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some(Stat { state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
}

/// Whether there is a process of this number that has not ended.
pub fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// Waits until none of them lives.
pub fn all_end_soon(pids: &[u32]) {
    let mut left = pids.to_vec();
    let until = Instant::now() + SOON;
    while !left.is_empty() {
        left.retain(|pid| lives(*pid));
        let names: Vec<_> = left.iter().map(|pid| title(*pid)).collect();
        assert!(Instant::now() < until || left.is_empty(), "still there after {SOON:?}: {left:?} {names:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What `ps` shows.
pub fn title(pid: u32) -> String {
    let octets = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&octets).trim_end_matches(['\0', ' ']).to_owned()
}

/// The children of a process, dead ones included.
pub fn children(pid: u32) -> Vec<u32> {
    pids().into_iter().filter(|child| stat(*child).is_some_and(|stat| stat.parent == pid)).collect()
}

fn pids() -> Vec<u32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// A line of `/proc/PID/status`.
pub fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in the status of {pid}")).trim().to_owned()
}

/// The open files of a process by number, each by its kind and its device and inode.
pub fn descriptors(pid: u32) -> BTreeMap<u32, String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let known = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let number = entry.file_name().to_str()?.parse().ok()?;
        // The descriptor of the directory that is being read is gone by now.
        let file = fs::metadata(entry.path()).ok()?;
        (fs::read_link(entry.path()).ok()?.as_os_str() != format!("/proc/{pid}/fd").as_str())
            .then(|| (number, shown(file.mode(), file.dev(), file.ino())))
    });
    known.collect()
}

/// The same, as a sorted list without the numbers.
pub fn open_files(pid: u32) -> Vec<String> {
    let mut files: Vec<String> = descriptors(pid).into_values().collect();
    files.sort();
    files
}

/// The open file behind a descriptor, as in [`descriptors`].
pub fn identity(fd: impl AsFd) -> String {
    let file = rustix::fs::fstat(fd).unwrap();
    shown(file.st_mode, file.st_dev, file.st_ino)
}

fn shown(mode: u32, device: u64, inode: u64) -> String {
    format!("{:o}:{device}:{inode}", mode >> 12)
}

/// Sends a signal to a process that a test started. One that has ended is no error.
pub fn signal(pid: u32, signal: Signal) {
    let _ = rustix::process::kill_process(Pid::from_raw(pid as i32).unwrap(), signal);
}

/// Waits until a process that was sent SIGSTOP has stopped.
pub fn stop(pid: u32) {
    signal(pid, Signal::STOP);
    within(LONG, "the process stops", || (stat(pid)?.state == 'T').then_some(()));
}

/// Whether something comes true within a limit.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + limit;
    while !condition() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// All that a worker writes to its socket, which was asked to be blocking.
pub fn answer(worker: &anyfork::Worker) -> String {
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut worker.socket(), &mut answer).unwrap();
    answer
}
