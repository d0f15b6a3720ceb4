//! Limits: how many processes and descriptors there may be, and so how many workers.

use super::confinement::{group_in, has_capability};
use super::{Finding, Presence};
use crate::sys::{close, pidfd};
use rustix::process::{Resource, geteuid, getrlimit};
use rustix::thread::CapabilitySet;
use std::fs;
use std::path::{Path, PathBuf};

fn finding(name: &'static str, presence: impl Into<Presence>) -> Finding {
    Finding::new("limits", name, presence)
}

/// For the default template (its socket and pidfd), and for a start under way.
const DESCRIPTORS_BESIDE: u64 = 4;

/// The numbers of processes in a group of version 1 or 2 have this name.
const MOST_PIDS: &str = "pids.max";

/// About how many workers there can be at once, and what sets that limit.
pub(super) fn workers() -> Option<(u64, &'static str)> {
    let each = if pidfd::try_of_self().is_ok() { 2 } else { 1 };
    let descriptors = getrlimit(Resource::Nofile).current.map(|limit| {
        let free = limit.saturating_sub(open_descriptors().unwrap_or(3) + DESCRIPTORS_BESIDE);
        (free / each, "RLIMIT_NOFILE")
    });
    let user = user_processes().filter(|_| !is_exempt()).map(|limit| (limit, "RLIMIT_NPROC"));
    let group = group_room().map(|(free, _)| (free, MOST_PIDS));
    let tasks = tasks().unwrap_or(0);
    let system =
        [("/proc/sys/kernel/pid_max", "kernel.pid_max"), ("/proc/sys/kernel/threads-max", "kernel.threads-max")];
    let system = system.map(|(path, name)| Some((number(path)?.saturating_sub(tasks), name)));
    [descriptors, user, group].into_iter().chain(system).flatten().min_by_key(|(count, _)| *count)
}

pub(super) fn findings(workers: Option<(u64, &'static str)>) -> Vec<Finding> {
    let open = open_descriptors();
    let files = getrlimit(Resource::Nofile);
    let shown = |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    let in_use = open.map_or_else(String::new, |open| format!(", {open} open"));
    let descriptors = finding("RLIMIT_NOFILE", Presence::There)
        .seen(format!("{} (hard: {}){in_use}", shown(files.current), shown(files.maximum)))
        .path("a worker takes a socket and a pidfd of the program; what exceeds the limit fails with EMFILE");
    let processes = finding("RLIMIT_NPROC", Presence::There)
        .seen(shown(user_processes()) + if is_exempt() { ", which does not bind this user" } else { "" })
        .path("all threads of this user count, those of other programs too; what exceeds the limit fails with EAGAIN");
    let group = match group_room() {
        Some((free, group)) => finding(MOST_PIDS, Presence::There).seen(format!("{free} more, by {}", group.display())),
        None => finding(MOST_PIDS, Presence::There).seen("no limit that can be seen"),
    };
    let group = group.path("limit of the control groups; what exceeds it fails with EAGAIN");
    let numbers = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"].map(number);
    let state = if numbers.contains(&None) { Presence::Unknown } else { Presence::There };
    let in_use = tasks().map_or_else(String::new, |tasks| format!(", {tasks} in use"));
    let system = finding("kernel.pid_max", state)
        .seen(format!("{} (threads-max: {}){in_use}", shown(numbers[0]), shown(numbers[1])))
        .path("processes and threads of the whole system");
    let mut findings = vec![descriptors, processes, group, system, overcommit()];
    let state = if workers.is_some() { Presence::There } else { Presence::Unknown };
    let seen = workers.map(|(count, limit)| format!("about {count} at the same time, by {limit}"));
    findings.push(
        finding("workers", state).seen(seen.unwrap_or_default()).path("not counted: memory, 50 to 100 kB for each"),
    );
    findings
}

fn overcommit() -> Finding {
    let mode = number("/proc/sys/vm/overcommit_memory");
    let finding = finding("vm.overcommit_memory", if mode.is_some() { Presence::There } else { Presence::Unknown });
    let finding = finding.seen(mode.map_or_else(String::new, |mode| mode.to_string()));
    finding.path(match mode {
        Some(2) => "each fork must find as much memory as its template could write to, or fails with ENOMEM: keep templates small",
        _ => "a fork needs no memory before it writes",
    })
}

/// Without the descriptor by which they are listed.
fn open_descriptors() -> Option<u64> {
    Some(close::open_descriptors().ok()?.len().saturating_sub(1) as u64)
}

fn user_processes() -> Option<u64> {
    getrlimit(Resource::Nproc).current
}

/// Whom the kernel lets make more processes than its user may.
fn is_exempt() -> bool {
    geteuid().is_root() || has_capability(CapabilitySet::SYS_RESOURCE) || has_capability(CapabilitySet::SYS_ADMIN)
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// How many processes and threads there are: proc_loadavg(5).
fn tasks() -> Option<u64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').nth(3)?.split_once('/')?.1.parse().ok()
}

/// How many processes there is room for in the control groups of this one, and which of them leaves the least.
fn group_room() -> Option<(u64, PathBuf)> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = match controllers {
            "" => "cgroup2",
            _ if controllers.split(',').any(|controller| controller == "pids") => "cgroup",
            _ => return None,
        };
        let directory = mounts.lines().filter(|mount| kind == "cgroup2" || has_pids(mount));
        let directory = directory.filter_map(|mount| group_in(mount, kind, group)).find(|path| path.exists())?;
        directory.ancestors().filter_map(room_in).min_by_key(|(room, _)| *room)
    };
    groups.lines().filter_map(of_line).min_by_key(|(room, _)| *room)
}

fn has_pids(mount: &str) -> bool {
    mount.rsplit([' ', ',']).any(|option| option == "pids")
}

fn room_in(group: &Path) -> Option<(u64, PathBuf)> {
    let (most, now) = (number(group.join(MOST_PIDS))?, number(group.join("pids.current"))?);
    Some((most.saturating_sub(now), group.to_owned()))
}
