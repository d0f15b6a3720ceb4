//! No room for a moment.

use anyfork::Template;
use rustix::process::{Pid, Resource, Rlimit, geteuid, getrlimit, prlimit};
use std::fs::File;
use std::os::fd::AsRawFd;

/// From this number on users are nobody, as a rule.
const NOBODY: u32 = 1_000_000;

/// As root, becomes a user without other processes, whom limits concern. Says whether it has.
pub(super) fn become_somebody() -> rustix::io::Result<bool> {
    if !geteuid().is_root() {
        return Ok(false);
    }
    // The only thread, which is the process.
    rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(NOBODY + std::process::id() % NOBODY))?;
    Ok(true)
}

/// What was so limited has its usual limit again when this is dropped.
pub(super) struct Limited {
    pid: Option<Pid>,
    resource: Resource,
    usual: Rlimit,
}

impl Limited {
    fn new(pid: Option<Pid>, resource: Resource, current: u64) -> rustix::io::Result<Self> {
        let usual = prlimit(pid, resource, Rlimit { current: Some(current), ..getrlimit(resource) })?;
        Ok(Limited { pid, resource, usual })
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // To what it was, which may always be; of a process that has ended since, it does not matter.
        let _ = prlimit(self.pid, self.resource, self.usual);
    }
}

/// So many more descriptors may this program have.
pub(super) fn descriptors(room: u64) -> Option<Limited> {
    let next = File::open("/dev/null").ok()?.as_raw_fd();
    Limited::new(None, Resource::Nofile, next as u64 + room).ok()
}

/// A template forks no more.
pub(super) fn processes(template: &Template) -> Option<Limited> {
    Limited::new(Some(Pid::from_raw(template.pid() as i32)?), Resource::Nproc, 1).ok()
}
