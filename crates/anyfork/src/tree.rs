//! A program and all that it has started, to be killed together.

use crate::default_template;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::pidfd::{self, Life};
use crate::sys::stat::Stat;
use crate::worker::Lifeline;
use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use std::{fs, io};

/// A kill may take so long.
const LIMIT: Duration = Duration::from_secs(10);

/// The pause between two looks at processes that are on their way out.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct Tree<'a> {
    pub(crate) life: &'a Lifeline,
    /// Whether the program's number is also that of its process group, and perhaps of its session.
    pub(crate) leads_group: bool,
    pub(crate) cgroup: Option<&'a OwnedFd>,
}

impl Tree<'_> {
    pub(crate) fn kill(&self) -> Result<()> {
        if self.life.pidfd().is_none() {
            return Err(Error::new(ErrorKind::Unsupported, "kill_tree", "there are no pidfds here"));
        }
        let until = Instant::now() + LIMIT;
        match self.cgroup {
            Some(cgroup) => kill_cgroup(cgroup, until),
            None => self.walk(until),
        }
    }

    /// Stops all, until there are no new ones; kills them; and again until none is left.
    fn walk(&self, until: Instant) -> Result<()> {
        let mut known = BTreeMap::new();
        let ended = self.stop_and_kill(&mut known, until);
        if ended.is_err() {
            // Nobody stays stopped.
            let _ = send(&mut known, Signal::KILL);
            let _ = self.signal_group(Signal::KILL);
        }
        ended?;
        // Those that may not be killed from here are left, and go on.
        let denied = known.values().any(|member| member.is_denied);
        if denied { Err(Error::system("kill_tree", Errno::PERM)) } else { Ok(()) }
    }

    fn stop_and_kill(&self, known: &mut BTreeMap<u32, Member>, until: Instant) -> Result<()> {
        loop {
            // A signal to a group reaches a process that is forking and its child, so nobody comes and goes between two looks.
            self.signal_group(Signal::STOP)?;
            if self.find_new(known)? {
                send(known, Signal::STOP)?;
                in_time(until)?;
                continue;
            }
            send(known, Signal::KILL)?;
            self.signal_group(Signal::KILL)?;
            known.retain(|_, member| pidfd::life(&member.pidfd).is_ok_and(|life| life == Life::Runs));
            // The program itself is told of by its template: a wait must not find that it still runs.
            let root_is_denied = known.get(&self.life.pid()).is_some_and(|member| member.is_denied);
            if known.values().all(|member| member.is_denied) && (root_is_denied || self.life.life() != Life::Runs) {
                return Ok(());
            }
            in_time(until)?;
            std::thread::sleep(PAUSE);
        }
    }

    /// Signals the program's group, as long as the program has its number, and so the group its own.
    fn signal_group(&self, signal: Signal) -> Result<()> {
        if !self.leads_group || !self.is_itself() {
            return Ok(());
        }
        let group = Pid::from_raw(self.life.pid() as i32);
        match group.map_or(Ok(()), |group| rustix::process::kill_process_group(group, signal)) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            // To some of them: the others are found one by one, and so is what is wrong with them.
            Err(Errno::PERM) => Ok(()),
            Err(errno) => Err(Error::system("kill_tree", errno)),
        }
    }

    /// Whether the program still has its number.
    fn is_itself(&self) -> bool {
        self.life.pidfd().is_some_and(pidfd::has_number)
    }

    /// Looks for members that are not known yet. `true`: there are some, and they are known now.
    fn find_new(&self, known: &mut BTreeMap<u32, Member>) -> Result<bool> {
        let all =
            processes().map_err(|error| Error::new(ErrorKind::Unsupported, "kill_tree", format!("/proc: {error}")))?;
        let mut new = false;
        for pid in self.members(&all, known) {
            if known.contains_key(&pid) {
                continue;
            }
            let Some(start) = all.get(&pid).map(|process| process.start) else { continue };
            // Looked at again with the pidfd in hand: the number could have got another process meanwhile.
            let Some(pidfd) = pidfd::of(pid) else { continue };
            if process(pid).is_some_and(|process| process.start == start && process.is_alive()) {
                known.insert(pid, Member { pidfd, is_denied: false });
                new = true;
            }
        }
        Ok(new)
    }

    /// The numbers of all members among the processes that were seen.
    fn members(&self, all: &HashMap<u32, Seen>, known: &BTreeMap<u32, Member>) -> HashSet<u32> {
        let root = self.life.pid();
        let root_is_itself = self.is_itself();
        let mut members: HashSet<u32> = known.keys().copied().collect();
        if root_is_itself {
            members.insert(root);
        }
        // A group keeps its number until its last process has ended. If there is a process of that number, and it is not the program, the
        // group is not the program's any more.
        if self.leads_group && (root_is_itself || !all.contains_key(&root)) {
            let adopters = self.adopters();
            let in_group = |seen: &&Seen| seen.group == root || seen.session == root;
            let ours = all.values().filter(in_group).filter(|seen| root_is_itself || adopters.contains(&seen.parent));
            members.extend(ours.map(|seen| seen.pid));
        }
        loop {
            let before = members.len();
            let children = all.values().filter(|seen| members.contains(&seen.parent)).map(|seen| seen.pid);
            let children: Vec<u32> = children.collect();
            members.extend(children);
            if members.len() == before {
                members.retain(|pid| all.get(pid).is_some_and(Seen::is_alive));
                return members;
            }
        }
    }

    /// Who may have adopted orphans of the program.
    fn adopters(&self) -> Vec<u32> {
        let lines = [self.life.line().cloned(), default_template::if_up()];
        lines.into_iter().flatten().filter_map(|line| Some(line.identity()?.pid)).collect()
    }
}

struct Member {
    pidfd: OwnedFd,
    /// Whether the kernel refuses a signal to it.
    is_denied: bool,
}

/// Later ones first: children before their parents, as a rule, and the program last.
fn send(to: &mut BTreeMap<u32, Member>, signal: Signal) -> Result<()> {
    for member in to.values_mut().rev() {
        match pidfd::signal(&member.pidfd, signal) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => member.is_denied = true,
            sent => sent.map_err(|error| Error::system("kill_tree", error))?,
        }
    }
    Ok(())
}

fn in_time(until: Instant) -> Result<()> {
    if Instant::now() < until {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Deadline, "kill_tree", format!("some processes are still there after {LIMIT:?}")))
}

/// What is looked at of a process.
struct Seen {
    pid: u32,
    parent: u32,
    group: u32,
    session: u32,
    state: char,
    threads: u32,
    /// When it was started, in clock ticks: with its number, who it is.
    start: u64,
}

impl Seen {
    fn is_alive(&self) -> bool {
        // A process whose first thread has ended looks dead while the others live.
        !matches!(self.state, 'Z' | 'X') || self.threads > 1
    }
}

fn processes() -> io::Result<HashMap<u32, Seen>> {
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(|pid| Some((pid, process(pid)?))).collect())
}

fn process(pid: u32) -> Option<Seen> {
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

/// Freezes a control group and those below it (version 2), and kills each of its processes until there are none.
///
/// Not by `cgroup.kill`: Linux 6.12 and newer have killed, after that, what is born in the group by `CLONE_INTO_CGROUP`.
fn kill_cgroup(cgroup: &OwnedFd, until: Instant) -> Result<()> {
    let mut pids = Vec::new();
    collect_members(cgroup, &mut pids).map_err(|error| Error::system("kill_tree (cgroup)", error))?;
    if pids.contains(&std::process::id()) {
        return Err(Error::new(ErrorKind::InvalidInput, "kill_tree", "this program is in the control group itself"));
    }
    // Version 1 has no such file, and is killed as it runs.
    let is_frozen = write_at(cgroup, c"cgroup.freeze", b"1").is_ok();
    let killed = kill_members(cgroup, until);
    if is_frozen {
        let _ = write_at(cgroup, c"cgroup.freeze", b"0");
    }
    killed
}

fn kill_members(cgroup: &OwnedFd, until: Instant) -> Result<()> {
    let members = || {
        let mut pids = Vec::new();
        collect_members(cgroup, &mut pids).map(|()| pids).map_err(|error| Error::system("kill_tree (cgroup)", error))
    };
    loop {
        // Empty is empty: a process that forks and ends is listed until its child is. (The dead are not listed.)
        let pids = members()?;
        if pids.is_empty() {
            return Ok(());
        }
        let pidfds: Vec<(u32, OwnedFd)> = pids.iter().filter_map(|pid| Some((*pid, pidfd::of(*pid)?))).collect();
        // Looked at again with the pidfds in hand: none of them is a stranger that got the number.
        let still = members()?;
        for (_, pidfd) in pidfds.iter().filter(|(pid, _)| still.contains(pid)) {
            pidfd::signal(pidfd, Signal::KILL).map_err(|error| Error::system("kill_tree", error))?;
        }
        in_time(until)?;
        std::thread::sleep(PAUSE);
    }
}

fn write_at(directory: &OwnedFd, name: &std::ffi::CStr, octets: &[u8]) -> rustix::io::Result<usize> {
    let file = rustix::fs::openat(directory, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, octets)
}

/// The numbers of the processes in a group and in those below it. Groups that vanish meanwhile have none.
fn collect_members(cgroup: impl AsFd, pids: &mut Vec<u32>) -> io::Result<()> {
    let file = rustix::fs::openat(&cgroup, c"cgroup.procs", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let text = io::read_to_string(fs::File::from(file))?;
    pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(&cgroup, c".", flags, Mode::empty())?;
    for entry in Dir::new(directory)?.flatten() {
        let name = entry.file_name();
        if entry.file_type() != FileType::Directory || name == c"." || name == c".." {
            continue;
        }
        match rustix::fs::openat(&cgroup, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(below) => match collect_members(below, pids) {
                Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NODEV)) => {}
                result => result?,
            },
            Err(Errno::NOENT | Errno::NODEV) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
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
    }
}
