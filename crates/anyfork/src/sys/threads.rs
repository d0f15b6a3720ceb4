//! Whether this process has one thread: the condition for forking it.
//!
//! # Safety
//! unshare(2) with CLONE_THREAD changes nothing: it succeeds in a process with one thread and fails in any other.
#![allow(unsafe_code)]

use super::lack::Lack;
use rustix::io::Errno;
use std::fmt;
use std::fs;
use std::time::Duration;

/// The proof that the process had one thread when it was asked, and so still has unless this thread makes another.
/// It stays on the thread that asked.
#[derive(Debug)]
pub(crate) struct SingleThread(std::marker::PhantomData<*const ()>);

/// The names of all threads of a process that has more than one; none if they cannot be had, for want of `/proc`.
pub(crate) struct Threads(Vec<String>);

impl Threads {
    /// Whether some of them are those of an async runtime, by what tokio, async-io, smol and async-std call theirs.
    pub(crate) fn are_of_a_runtime(&self) -> bool {
        const NAMES: [&str; 6] = ["tokio-rt-worker", "tokio-runtime-w", "async-io", "smol-", "blocking-", "async-std/"];
        self.0.iter().any(|thread| NAMES.iter().any(|name| thread.starts_with(name)))
    }
}

/// Such as `3 threads (main (12), a (13), b (14))`.
impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => f.write_str("more than one thread (their names are not known without /proc)"),
            count => write!(f, "{count} threads ({})", self.0.join(", ")),
        }
    }
}

/// The proof, or who the others are.
pub(crate) fn single() -> Result<SingleThread, Threads> {
    // Not alone in its memory is also who starts a program that shares it.
    if matches!(ask(), Ok(true)) || count() == Some(1) {
        return Ok(SingleThread(std::marker::PhantomData));
    }
    Err(Threads(names()))
}

/// The same after user's code, or before it: a thread that was joined may still be on its way out of the kernel, so those that are left are looked at again for a while.
pub(crate) fn single_soon() -> Result<SingleThread, Threads> {
    for _ in 0..PATIENCE.as_millis() {
        if let Ok(proof) = single() {
            return Ok(proof);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    single()
}

/// How long that takes at most, on a busy machine.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whether this process has one thread and its memory for itself, as the kernel says; or why it cannot be asked.
pub(crate) fn ask() -> Result<bool, Lack> {
    if cfg!(anyfork_no_unshare) {
        return Err(Lack::SwitchedOff);
    }
    // SAFETY: see above; no memory is passed.
    if unsafe { libc::unshare(libc::CLONE_THREAD) } == 0 {
        return Ok(true);
    }
    match Lack::from(std::io::Error::last_os_error()) {
        Lack::Refused(Errno::INVAL) => Ok(false),
        // A filter denies the question.
        lack => Err(lack),
    }
}

/// The kernel gives the directory of the threads a link for each, beside the two that every directory has; looking at it takes
/// no descriptor, of which there may be none left.
fn count() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self/task").ok()?.nlink().checked_sub(2)
}

fn names() -> Vec<String> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    tasks
        .flatten()
        .map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            format!("{} ({})", name.trim_end(), task.file_name().to_string_lossy())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_of_a_runtime_are_known() {
        let threads = |names: &[&str]| Threads(names.iter().map(|name| format!("{name} (12)")).collect());
        assert!(threads(&["main", "tokio-rt-worker"]).are_of_a_runtime());
        assert!(threads(&["main", "async-io"]).are_of_a_runtime());
        assert!(!threads(&["main", "worker"]).are_of_a_runtime());
    }

    #[test]
    fn a_second_thread_is_seen_and_named() {
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
        let there = std::sync::Arc::clone(&barrier);
        let run = move || {
            // A thread names itself when it runs.
            there.wait();
            there.wait();
        };
        let other = std::thread::Builder::new().name("second".into()).spawn(run).unwrap();
        barrier.wait();
        assert!(count() >= Some(2));
        let Err(Threads(names)) = single() else { panic!("not seen") };
        assert!(names.iter().any(|name| name.starts_with("second (")), "{names:?}");
        barrier.wait();
        other.join().unwrap();
    }
}
