//! Processes as they are looked at by who kills a tree of them.

use crate::sys::stat::{self, Stat};
use std::collections::HashMap;
use std::{fs, io};

/// What is looked at of a process.
pub(super) struct Seen {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    state: char,
    threads: u32,
    /// When it was started, in clock ticks: with its number, who it is.
    pub(super) start: u64,
}

impl Seen {
    pub(super) fn is_alive(&self) -> bool {
        // A process whose first thread has ended looks dead while the others live.
        !matches!(self.state, 'Z' | 'X') || self.threads > 1
    }
}

pub(super) fn processes() -> io::Result<HashMap<u32, Seen>> {
    stat::is_ours()?;
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(|pid| Some((pid, process(pid)?))).collect())
}

pub(super) fn process(pid: u32) -> Option<Seen> {
    let stat = Stat::of(pid)?;
    Some(Seen {
        pid,
        state: stat.field(3)?,
        parent: stat.field(4)?,
        group: stat.field::<i32>(5)? as u32,
        session: stat.field::<i32>(6)? as u32,
        threads: stat.field(20)?,
        start: stat.field(22)?,
    })
}

/// What each thread of a process does: running, waiting, stopped.
pub(super) fn states(pid: u32) -> Vec<char> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let state = |thread: String| Stat::of(format_args!("{pid}/task/{thread}"))?.field(3);
    threads.filter_map(|thread| state(thread.ok()?.file_name().into_string().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_as_it_is() {
        let this = process(std::process::id()).unwrap();
        assert_eq!(this.parent, std::os::unix::process::parent_id());
        assert_eq!(this.group, rustix::process::getpgrp().as_raw_pid() as u32);
        assert!(this.is_alive() && this.start > 0);
        assert!(states(std::process::id()).contains(&'R'));
    }
}
