//! Processes as the system shows them, `/proc` in the main, and signals to them.

use crate::{LONG, SOON, skipped, within};
use rustix::process::{Pid, Signal};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// `R`, `S`, `T`, `Z`, ...
    pub state: char,
    /// The number of the parent.
    pub parent: u32,
    /// The session, which is inherited, and which nothing here leaves.
    pub session: u32,
}

/// What the system knows of a process. `None`: there is none of this number.
pub fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let mut number = || fields.next()?.parse().ok();
    Some(Stat { state, parent: number()?, session: number().and_then(|_group| number())? })
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

/// A user without other processes, whom limits concern; another one each time. `None`, and a line that says so, where nobody can become one.
pub fn fresh_user() -> Option<u32> {
    if !rustix::process::geteuid().is_root() {
        skipped("it takes root to become a user without other processes");
        return None;
    }
    static NEXT: AtomicU32 = AtomicU32::new(0);
    Some(1_000_000 + std::process::id() * 16 + NEXT.fetch_add(1, Ordering::Relaxed) % 16)
}

/// The children of a process, dead ones included.
pub fn children(pid: u32) -> Vec<u32> {
    pids().into_iter().filter(|child| stat(*child).is_some_and(|stat| stat.parent == pid)).collect()
}

/// The numbers of all processes, dead ones included.
pub fn pids() -> Vec<u32> {
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
