//! What the tests of external programs share: reasons to skip, control groups, programs of a few lines of C, and where to look.
#![allow(dead_code, reason = "each of the test files that share this uses a part of it")]

use anyfork::{Child, Command, Stdio};
use anyfork_tests::{LONG, Scratch, skipped, wait_until};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Where the C compiler is to find what it compiles.
const FROM_INPUT: [&str; 6] = ["-x", "c", "-static", "-O1", "-", "-o"];

/// Whether a test can run here. If not, the reason is printed.
pub(crate) fn can(is_there: bool, what: &str) -> bool {
    if !is_there {
        skipped(&format!("it takes {what}"));
    }
    is_there
}

/// Whether this is root, who may be anybody and limit anything.
pub(crate) fn root() -> bool {
    can(rustix::process::geteuid().is_root(), "root")
}

/// Whether programs can be made of C here, without a C library to load.
pub(crate) fn compiler() -> bool {
    let nothing = Scratch::new("compiler");
    can(try_compile(&nothing, "int main(void) { return 0; }"), "a C compiler and a static C library")
}

/// Makes a static program.
pub(crate) fn compile(path: &str, source: &str) {
    assert!(try_compile(path, source), "it does not compile");
}

fn try_compile(path: &str, source: &str) -> bool {
    let mut compiler = std::process::Command::new("cc");
    compiler.args(FROM_INPUT).arg(path).stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let Ok(mut child) = compiler.spawn() else { return false };
    let _ = child.stdin.take().unwrap().write_all(source.as_bytes());
    child.wait().unwrap().success()
}

/// What a program writes to standard output; it must succeed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A shell script.
pub(crate) fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// A program that stays as long as its handle, to be looked at from outside.
pub(crate) fn parked() -> Command {
    parking(Command::new("cat"))
}

/// Makes that of a program that reads its standard input to the end.
pub(crate) fn parking(mut command: Command) -> Command {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true);
    command
}

/// Reads from a program until a line is complete.
pub(crate) fn line(mut from: impl Read) -> String {
    let mut line = Vec::new();
    let mut octet = [0];
    while from.read(&mut octet).unwrap() == 1 && octet != *b"\n" {
        line.push(octet[0]);
    }
    String::from_utf8(line).unwrap().trim_end_matches('\r').to_owned()
}

/// The first line that a program writes to its standard output, which is a pipe.
pub(crate) fn first_line(child: &mut Child) -> String {
    line(child.stdout.as_mut().unwrap())
}

/// A field of proc_pid_stat(5), by its number there.
pub(crate) fn stat_field(pid: u32, number: usize) -> i64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, behind_name) = text.rsplit_once(") ").unwrap();
    behind_name.split_whitespace().nth(number - 3).unwrap().parse().unwrap()
}

/// Where a link below `/proc/PID` leads.
pub(crate) fn proc_link(pid: u32, name: &str) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/{name}")).unwrap()
}

/// All living processes with this text in their environment.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let has_mark = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    let pids = anyfork_tests::pids().into_iter();
    pids.filter(|pid| anyfork_tests::lives(*pid)).filter(has_mark).collect()
}

/// A control group of its own for a test. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// One of version 2, or the reason why there is none.
    pub(crate) fn unified() -> Option<Self> {
        let is_unified = |path: &&Path| path.join("cgroup.controllers").exists();
        let paths = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
        Self::below(paths.into_iter().find(is_unified), "control groups of version 2 that may be written to")
    }

    /// One of version 1.
    pub(crate) fn pids() -> Option<Self> {
        let path = Path::new("/sys/fs/cgroup/pids");
        let is_there = path.join("tasks").exists();
        Self::below(is_there.then_some(path), "the pids controller of version 1, to be written to")
    }

    /// One whose processes may have so much memory together, of whichever version controls that here.
    pub(crate) fn of_memory(most: u64) -> Option<Self> {
        let places = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        for (parent, limit) in places {
            let group = Path::new(parent).join(format!("anyfork-memory-{}", Scratch::new("memory").replace('/', "-")));
            if fs::create_dir(&group).is_ok() {
                let group = Cgroup(group);
                // Not made here if the place is no such file system.
                let file = fs::File::options().write(true).open(group.0.join(limit));
                if file.and_then(|mut file| file.write_all(most.to_string().as_bytes())).is_ok() {
                    return Some(group);
                }
            }
        }
        can(false, "a control group that limits memory");
        None
    }

    /// Brings a process in.
    pub(crate) fn add(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    fn below(parent: Option<&Path>, what: &str) -> Option<Self> {
        let name = Scratch::new("cgroup").replace(['/', '.'], "-");
        let path = parent.map(|parent| parent.join(name.trim_start_matches('-')));
        let path = path.filter(|path| fs::create_dir(path).is_ok());
        can(path.is_some(), what).then(|| Cgroup(path.unwrap()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// How it is called in proc_pid_cgroup(5).
    pub(crate) fn name(&self) -> String {
        format!(":/{}", self.0.file_name().unwrap().to_str().unwrap())
    }

    /// Whether a process is in it.
    pub(crate) fn has(&self, pid: u32) -> bool {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        groups.lines().any(|line| line.ends_with(&self.name()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It is busy until the last process in it has been waited for.
        let gone = wait_until(LONG, || fs::remove_dir(&self.0).is_ok());
        assert!(gone || std::thread::panicking(), "{:?} cannot be removed", self.0);
    }
}

/// The two sides of a new terminal.
pub(crate) fn terminal() -> (fs::File, fs::File) {
    use std::os::fd::FromRawFd;
    let (mut ours, mut theirs) = (-1, -1);
    let none = std::ptr::null_mut();
    // SAFETY: two places for numbers; name, settings and size may be null.
    assert_eq!(unsafe { libc::openpty(&mut ours, &mut theirs, none, none.cast(), none.cast()) }, 0);
    // SAFETY: nobody else has these new descriptors.
    unsafe { (fs::File::from_raw_fd(ours), fs::File::from_raw_fd(theirs)) }
}
