//! The program under test and all that comes from it, as the kernel shows them.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::fs;

/// A process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) pid: u32,
    /// `R`, `S`, `T`, `Z`, ...
    pub(crate) state: char,
    pub(crate) parent: u32,
    session: u32,
    /// In ticks since the system came up: with its number it is unmistakable.
    pub(crate) began: u64,
}

impl Member {
    #[cfg(test)]
    pub(crate) fn new(pid: u32, state: char, parent: u32, began: u64) -> Self {
        Member { pid, state, parent, session: 0, began }
    }

    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// proc_pid_stat(5). `None`: there is none of that number.
pub(crate) fn member(pid: u32) -> Option<Member> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Member {
        pid,
        state: fields.first()?.chars().next()?,
        parent: number(1)? as u32,
        session: number(3)? as u32,
        began: number(19)?,
    })
}

fn all() -> impl Iterator<Item = Member> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| member(entry.ok()?.file_name().to_str()?.parse().ok()?))
}

/// All of one session, dead ones included: nothing here leaves it.
pub(crate) fn of_session(session: u32) -> Vec<Member> {
    all().filter(|member| member.session == session).collect()
}

/// The children of a process that have not ended.
pub(crate) fn children(parent: u32) -> Vec<Member> {
    all().filter(|member| member.parent == parent && !member.is_dead()).collect()
}

/// Kills one, and nobody who has its number by now.
pub(crate) fn kill(victim: &Member) {
    let Some(pid) = Pid::from_raw(victim.pid as i32) else { return };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if member(victim.pid).is_some_and(|now| now.began == victim.began) {
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }
}

/// What a process has open, by what the kernel calls it, and how often.
pub(crate) type Descriptors = BTreeMap<String, usize>;

pub(crate) fn descriptors(pid: u32) -> Descriptors {
    let mut open = Descriptors::new();
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    for link in entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()) {
        *open.entry(link.to_string_lossy().into_owned()).or_default() += 1;
    }
    open
}

/// Bytes of anonymous memory, whether shared with forks or not: what it has written to. proc_pid_smaps_rollup(5)
pub(crate) fn memory(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Anonymous:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let pid = std::process::id();
        let this = member(pid).expect("this process");
        assert_eq!(this.parent, std::os::unix::process::parent_id());
        assert!(!this.is_dead() && this.began > 0);
        assert!(of_session(this.session).iter().any(|member| member.pid == pid));
        assert!(children(this.parent).iter().any(|member| member.pid == pid));
        assert!(memory(pid) > Some(0));
    }

    #[test]
    fn what_is_open_twice_is_counted_twice() {
        let file = fs::File::open("/proc/self/limits").expect("a file");
        let copy = file.try_clone().expect("a copy");
        let count = || descriptors(std::process::id()).into_iter().find(|(name, _)| name.ends_with("/limits"));
        assert_eq!(count().expect("it is open").1, 2);
        drop((file, copy));
        assert_eq!(count(), None);
    }
}
