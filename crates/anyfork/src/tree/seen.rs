//! The processes of the system, as proc_pid_stat(5) shows them.

use crate::error::{Error, ErrorKind, Result};
use crate::sys::errno::lacks_room;
use crate::sys::stat::{self, Stat};
use std::collections::HashMap;
use std::fs;

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

/// All that can be seen.
pub(super) fn processes() -> Result<HashMap<u32, Seen>> {
    let entries = stat::is_ours().and_then(|()| fs::read_dir("/proc")).map_err(|error| match lacks_room(&error) {
        true => Error::system("kill_tree", error),
        false => Error::new(ErrorKind::Unsupported, "kill_tree", format!("/proc: {error}")),
    })?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| process(pid).map(|seen| Some((pid, seen?))).transpose()).collect()
}

/// `None`: there is none of this number. One that cannot be looked at for want of descriptors is an error, as nobody may be left out.
pub(super) fn process(pid: u32) -> Result<Option<Seen>> {
    match Stat::read(pid) {
        Ok(stat) => Ok(seen(pid, &stat)),
        Err(error) if lacks_room(&error) => Err(Error::system("kill_tree", error)),
        Err(_) => Ok(None),
    }
}

fn seen(pid: u32, stat: &Stat) -> Option<Seen> {
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
        let this = process(std::process::id()).unwrap().unwrap();
        assert_eq!(this.parent, std::os::unix::process::parent_id());
        assert_eq!(this.group, rustix::process::getpgrp().as_raw_pid() as u32);
        assert!(this.is_alive() && this.start > 0);
        assert!(states(std::process::id()).contains(&'R'));
    }
}
