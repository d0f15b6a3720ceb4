//! This program: whether it can be started again, or forked, and what new processes have of it.

use super::{Finding, Presence};
use crate::default_template;
use crate::policy;
use crate::sys::exec::OWN_IMAGE;
use crate::sys::lack::{Lack, present};
use crate::sys::stat::{self, Stat};
use crate::sys::{signal, stdio, threads};
use rustix::fs::{Access, AtFlags, CWD};
use std::fs;

fn finding(name: &'static str, presence: impl Into<Presence>) -> Finding {
    Finding::new("this program", name, presence)
}

/// Whether `/proc` is mounted.
pub(super) fn has_proc() -> bool {
    Stat::of("self").is_some()
}

pub(super) fn findings(has_proc: bool) -> Vec<Finding> {
    vec![proc(has_proc), image(), again(), forks(), streams(), child_signal()]
}

fn proc(has_proc: bool) -> Finding {
    let is_own = stat::is_ours().is_ok();
    let hides = fs::read_to_string("/proc/self/mountinfo").is_ok_and(|mounts| hides_processes(&mounts));
    let (seen, lost) = match (has_proc, is_own, hides) {
        (false, ..) => (
            "",
            "a start of the default template unless anyfork::early() has forked it; Child::kill_tree without control group",
        ),
        (_, false, _) => ("of another namespace of process numbers", "Child::kill_tree without control group"),
        (_, _, true) => ("without the processes of other users (hidepid)", ""),
        _ => ("", ""),
    };
    finding("/proc", present(has_proc)).seen(seen).lost(lost).either(
        "the program is started again by /proc/self/exe; umask and privileges for programs are read there",
        "programs have the umask, users and groups that the default template was started with",
    )
}

/// Whether a mount of `/proc` hides processes: proc_pid_mountinfo(5).
fn hides_processes(mounts: &str) -> bool {
    let is_proc = |line: &&str| line.split(' ').nth(4) == Some("/proc");
    let mut options = mounts.lines().filter(is_proc).flat_map(|line| line.split([' ', ',']));
    options.any(|option| option.strip_prefix("hidepid=").is_some_and(|mode| !matches!(mode, "0" | "off")))
}

fn image() -> Finding {
    let may = rustix::fs::accessat(CWD, OWN_IMAGE, Access::EXEC_OK, AtFlags::EACCESS).map_err(Lack::from);
    let path = fs::read_link("/proc/self/exe").map(|path| path.display().to_string());
    finding("/proc/self/exe", may)
        .seen(path.unwrap_or_default())
        .either("the file that runs, replaced or deleted meanwhile or not", "the program cannot be started again")
        .else_lost("a start of the default template unless anyfork::early() has forked it, and Process::exec")
}

/// What a start would say itself.
fn again() -> Finding {
    let is_up = default_template::if_up().is_some_and(|line| line.is_up());
    let seen = if is_up { "its default template is there already" } else { "" };
    match default_template::check_program() {
        Ok(()) => finding("exec of this program", Presence::There)
            .seen(seen)
            .path("started again, it becomes a template, and its main does not run"),
        Err(error) => finding("exec of this program", Presence::Missing)
            .seen(seen)
            .path(if is_up { "new processes are forked from the default template that is there" } else { "" })
            .lost(if is_up {
                format!("Process::exec, and another default template: {error}")
            } else {
                error.to_string()
            }),
    }
}

fn forks() -> Finding {
    let (state, seen) = match threads::single() {
        Ok(_) => (Presence::There, "one thread".into()),
        Err(threads) => (Presence::Missing, threads.to_string()),
    };
    let forks = finding("fork of this program", state).seen(seen).either(
        "early() and template_here() can fork it; nothing else does",
        "it is not needed: the default template is started by exec, which minds no threads",
    );
    match policy::allow_fork("fork") {
        Ok(()) => forks.else_lost("early() and template_here()"),
        Err(_) => forks.lost("early() and template_here(): forbidden by Policy::NeverFork"),
    }
}

fn streams() -> Finding {
    let closed = (0..).zip(stdio::NAMES).filter(|(number, _)| !stdio::is_open(*number)).map(|(_, name)| name);
    let closed: Vec<&str> = closed.collect();
    let seen = if closed.is_empty() { "open".into() } else { format!("closed: {}", closed.join(", ")) };
    finding("standard streams", present(closed.is_empty()))
        .seen(seen)
        .either("new processes have them", "new processes have /dev/null where they are closed")
}

fn child_signal() -> Finding {
    let dispositions = signal::dispositions();
    let bit = 1 << (libc::SIGCHLD - 1);
    let seen = match (dispositions.ignored & bit, dispositions.handled & bit) {
        (0, 0) => "default",
        (0, _) => "handled",
        _ => "ignored",
    };
    finding("SIGCHLD", Presence::There).seen(seen).path("left as it is: workers are no children of this program")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proc_that_hides_processes_is_told_by_its_options() {
        let mount =
            |options: &str| format!("1 2 0:3 / / rw - ext4 /dev/sda rw\n4 1 0:5 / /proc rw - proc proc {options}\n");
        assert!(hides_processes(&mount("rw,hidepid=2")));
        assert!(hides_processes(&mount("rw,hidepid=invisible")));
        assert!(!hides_processes(&mount("rw,hidepid=off")));
        assert!(!hides_processes(&mount("rw")));
    }
}
