//! System calls that processes are started, watched and ended with.

use super::{Finding, Presence};
use crate::sys::lack::{Lack, present};
use crate::sys::{close, launch, memfd, pidfd, threads, wait};
use std::os::fd::OwnedFd;

/// The release since which `PIDFD_GET_INFO` has the exit status.
const KEEPS_STATUSES: (u32, u32) = (6, 15);

fn finding(name: &'static str, presence: impl Into<Presence>) -> Finding {
    Finding::new("system calls", name, presence)
}

pub(super) fn findings(kernel: &str, has_proc: bool) -> Vec<Finding> {
    let others = [close_range(has_proc), memory_files(), unshare(has_proc), clone3(), waitid(), adoption()];
    pidfds(kernel).into_iter().chain(others).collect()
}

/// The first, and what it takes one for.
fn pidfds(kernel: &str) -> [Finding; 4] {
    let own = pidfd::try_of_self();
    let lack = own.as_ref().err().copied();
    let open = finding("pidfd_open", lack.map_or(Ok(()), Err))
        .either(
            "signals reach nobody else; the end of a process wakes who waits for it",
            "signals go through the template; ends are asked for each millisecond",
        )
        .else_lost(
            "Child::kill_tree, Worker::pidfd; statuses of workers whose template was killed; it may stay a zombie",
        );
    let Ok(own) = own else {
        let not_asked = |name| finding(name, Presence::Unknown).path("not asked: it takes a pidfd");
        return [open, not_asked(SIGNALS), not_asked(HANG_UP), not_asked(INFO)];
    };
    [open, signals(&own), hang_up(&own), info(&own, kernel)]
}

const SIGNALS: &str = "pidfd_send_signal";
const HANG_UP: &str = "pidfd hang-up";
const INFO: &str = "PIDFD_GET_INFO";

fn signals(own: &OwnedFd) -> Finding {
    finding(SIGNALS, pidfd::send_none(own))
        .either("signals are sent by it", "signals go through the template")
        .else_lost("Child::kill_tree; signals to processes whose template is gone")
}

fn hang_up(own: &OwnedFd) -> Finding {
    finding(HANG_UP, pidfd::try_hang_up(own)).either(
        "who waits is woken when the status is there (Linux 6.9)",
        "who waits is woken by the end, and then asks for the status each millisecond",
    )
}

fn info(own: &OwnedFd, kernel: &str) -> Finding {
    // An exit status shows only when there is one.
    let keeps = pidfd::has_info(own).and_then(|()| present(is_since(kernel, KEEPS_STATUSES)));
    finding(INFO, keeps)
        .either(
            "the kernel keeps exit statuses for who has the pidfd (Linux 6.15)",
            "statuses come from templates alone",
        )
        .else_lost(
            "the status of a worker may be Lost if its template and the default template are killed before it ends",
        )
}

/// Two calls are done without by what `/proc` lists.
const NOTHING: &str = "no process can be started, as /proc is missing too";

fn close_range(has_proc: bool) -> Finding {
    finding("close_range", close::try_range())
        .either("new processes close what they inherited by accident", "they close one by one what /proc/self/fd lists")
        .else_lost(if has_proc { "" } else { NOTHING })
}

fn unshare(has_proc: bool) -> Finding {
    finding("unshare", threads::ask().map(drop))
        .either(
            "the kernel says before each fork whether there is one thread",
            "threads are counted in /proc/self/task",
        )
        .else_lost(if has_proc { "" } else { NOTHING })
}

fn memory_files() -> Finding {
    finding("memfd_create", memfd::sealed(&[]).map(drop).map_err(Lack::from))
        .either("arguments and orders above 64 kB travel in sealed memory files", "only shorter ones can be sent")
        .else_lost("arguments and orders above 64 kB, Python, Perl, Command with Namespaces::PID")
}

fn clone3() -> Finding {
    finding("clone3", launch::birth_in_cgroup()).either(
        "programs are born in their control group (version 2)",
        "clone(2) makes processes; programs join their control group before they do anything else",
    )
}

fn waitid() -> Finding {
    finding("waitid", wait::availability())
        .either(
            "templates wait for their children when they have reported how they ended",
            "templates wait for their children by wait4(2), and then report how they ended",
        )
        .else_lost("the end of a default template that was killed: it stays a zombie of the program")
}

fn adoption() -> Finding {
    finding("PR_SET_CHILD_SUBREAPER", rustix::process::child_subreaper().map(drop).map_err(Lack::from))
        .either(
            "the default template adopts workers whose template is gone, and reports their ends",
            "nobody would report their ends",
        )
        .else_lost("a start of the default template")
}

/// Whether a release such as `6.18.1-generic` is that one or a later one.
fn is_since(release: &str, (major, minor): (u32, u32)) -> bool {
    let mut numbers = release.split(['.', '-', '+']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        for (release, expected) in [
            ("6.15.0", true),
            ("6.15-rc1", true),
            ("6.18.44-fc", true),
            ("7.0", true),
            ("6.9.12", false),
            ("5.15.0-generic", false),
            ("6", false),
            ("", false),
        ] {
            assert_eq!(is_since(release, (6, 15)), expected, "{release}");
        }
    }
}
