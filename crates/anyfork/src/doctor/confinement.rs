//! What confines this program, and what it can confine others with.

use super::{Finding, Presence};
use crate::sys::lack::{Lack, present};
use rustix::fs::{Access, AtFlags, CWD};
use rustix::thread::{CapabilitySet, capabilities};
use std::fs;
use std::path::{Path, PathBuf};

fn finding(name: &'static str, presence: impl Into<Presence>) -> Finding {
    Finding::new("confinement", name, presence)
}

pub(super) fn findings() -> Vec<Finding> {
    vec![filters(), privileges(), user_namespaces(), control_groups(), landlock(), terminals()]
}

/// A line of proc_pid_status(5). (prctl(2) would do, but some filters kill for the question.)
fn status(field: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

fn filters() -> Finding {
    let mode = status("Seccomp");
    let seen = match mode.as_deref() {
        None => "this kernel has none, or there is no /proc".into(),
        Some("0") => "no filter".into(),
        _ => format!("filters: {}", status("Seccomp_filters").unwrap_or_else(|| "some".into())),
    };
    let state = if mode.is_some() { Presence::There } else { Presence::Unknown };
    finding("seccomp", state).seen(seen).path(
        "a template keeps the filters that its program had when it was started; a Command gets a default template with those of now",
    )
}

/// The capabilities that something here depends on, and what.
const CAPABILITIES: [(CapabilitySet, &str, &str); 5] = [
    (CapabilitySet::SETUID, "CAP_SETUID", "Command::uid of other users"),
    (CapabilitySet::SETGID, "CAP_SETGID", "Command::gid and groups of others"),
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN", "Command::namespaces without Namespaces::USER"),
    (CapabilitySet::SYS_CHROOT, "CAP_SYS_CHROOT", "Command::chroot without Namespaces::USER"),
    (CapabilitySet::SYS_RESOURCE, "CAP_SYS_RESOURCE", "Command::rlimit above the hard limits"),
];

/// What this thread may do, which is nothing if it cannot be asked.
pub(super) fn has_capability(wanted: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}

fn privileges() -> Finding {
    let sets = match capabilities(None) {
        Ok(sets) => sets.effective,
        Err(errno) => return finding("capabilities", Lack::from(errno)).path("they are used where they are needed"),
    };
    let (has, lacks): (Vec<_>, Vec<_>) = CAPABILITIES.iter().partition(|(capability, ..)| sets.contains(*capability));
    let names = has.iter().map(|(_, name, _)| *name).collect::<Vec<_>>().join(", ");
    let gains_none = status("NoNewPrivs").as_deref() == Some("1");
    let seen = if has.is_empty() { "none of those that matter".into() } else { names };
    finding("capabilities", Presence::There)
        .seen(seen + if gains_none { "; no_new_privs" } else { "" })
        .path("attributes of programs use them; nothing else needs any")
        .lost(lacks.iter().map(|(.., what)| *what).collect::<Vec<_>>().join(", "))
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// By the settings of the system: only a process could try.
fn user_namespaces() -> Finding {
    let is = |path: &str, value: u64| number(path) == Some(value);
    let is_admin = has_capability(CapabilitySet::SYS_ADMIN);
    let restrictions = [
        (!Path::new("/proc/self/ns/user").exists(), "this kernel has none, or there is no /proc"),
        (is("/proc/sys/user/max_user_namespaces", 0), "user.max_user_namespaces is 0"),
        (!is_admin && is("/proc/sys/kernel/unprivileged_userns_clone", 0), "kernel.unprivileged_userns_clone is 0"),
        (
            !is_admin && is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1),
            "kernel.apparmor_restrict_unprivileged_userns is 1: no capabilities inside, unless a profile allows them",
        ),
    ];
    let denied = restrictions.iter().find_map(|(holds, why)| holds.then_some(*why));
    finding("user namespaces", present(denied.is_none()))
        .seen(denied.unwrap_or("allowed, by the settings of the system"))
        .path("Command::namespaces makes them; a filter may still deny it")
        .else_lost("Namespaces::USER, and without CAP_SYS_ADMIN all other namespaces")
}

/// Where the control group of this process is, of version 2.
fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|mount| group_in(mount, "cgroup2", own))
}

/// The directory of a group in a mount, if it is one of this type that shows the group: proc_pid_mountinfo(5).
pub(super) fn group_in(mount: &str, kind: &str, group: &str) -> Option<PathBuf> {
    let (fields, behind) = mount.split_once(" - ")?;
    let mut fields = fields.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    if behind.split(' ').next() != Some(kind) {
        return None;
    }
    let below = Path::new(group).strip_prefix(root).ok()?;
    Some(Path::new(point).join(below))
}

fn control_groups() -> Finding {
    let Some(group) = own_group() else {
        return finding("cgroup", Presence::Missing)
            .seen("no group of version 2 that this process is in can be seen")
            .path("Command::cgroup takes directories of version 1 too")
            .lost("control groups of version 2");
    };
    let may = |file: &Path| rustix::fs::accessat(CWD, file, Access::WRITE_OK, AtFlags::EACCESS).map_err(Lack::from);
    let is_delegated = may(&group).and_then(|()| may(&group.join("cgroup.procs")));
    finding("cgroup", is_delegated)
        .seen(format!("{} (version 2)", group.display()))
        .either(
            "groups can be made below it, for Command::cgroup",
            "it is not delegated to this user, or mounted read-only",
        )
        .else_lost("control groups below that of this program, unless somebody else makes them")
}

#[cfg(feature = "landlock")]
fn landlock() -> Finding {
    match crate::sys::landlock::version() {
        Ok(version) => {
            finding("landlock", Presence::There).seen(format!("version {version}")).path("Command::landlock")
        }
        Err(lack) => finding("landlock", lack).path("rulesets are made by it").lost("Command::landlock"),
    }
}

#[cfg(not(feature = "landlock"))]
fn landlock() -> Finding {
    finding("landlock", Presence::SwitchedOff).path("Command::landlock takes the feature `landlock`")
}

fn terminals() -> Finding {
    let access = Access::READ_OK | Access::WRITE_OK;
    finding("/dev/ptmx", rustix::fs::accessat(CWD, "/dev/ptmx", access, AtFlags::EACCESS).map_err(Lack::from))
        .either("pseudoterminals come from it", "there is no other place for pseudoterminals")
        .else_lost("Command::pty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_in_the_mount_that_shows_it() {
        let mount =
            |root: &str, kind: &str| format!("31 24 0:26 {root} /sys/fs/cgroup rw,nosuid shared:9 - {kind} none rw");
        let found = |root: &str, group: &str| group_in(&mount(root, "cgroup2"), "cgroup2", group);
        assert_eq!(found("/", "/user.slice/a"), Some("/sys/fs/cgroup/user.slice/a".into()));
        assert_eq!(found("/user.slice", "/user.slice/a"), Some("/sys/fs/cgroup/a".into()));
        assert_eq!(found("/", "/"), Some("/sys/fs/cgroup/".into()));
        assert_eq!(found("/other", "/user.slice/a"), None);
        assert_eq!(group_in(&mount("/", "cgroup"), "cgroup2", "/a"), None);
    }
}
