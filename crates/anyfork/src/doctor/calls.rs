//! System calls that processes are started, watched and ended with.

use super::{Finding, Presence};
use crate::sys::lack::Lack;
use crate::sys::{close, launch, memfd, pidfd, threads, wait};
use std::os::fd::OwnedFd;

/// The release since which `PIDFD_GET_INFO` has the exit status.
const KEEPS_STATUSES: (u32, u32) = (6, 15);

fn finding(name: &'static str, presence: impl Into<Presence>) -> Finding {
    Finding::new("system calls", name, presence)
}

pub(super) fn findings(kernel: &str, has_proc: bool) -> Vec<Finding> {
    let own = pidfd::try_of_self();
    let mut findings = pidfds(&own, kernel);
    let nothing = "no process can be started, as /proc is missing too";
    let close_range = finding("close_range", close::try_range())
        .either("new processes close what they inherited by accident", "they close one by one what /proc/self/fd lists")
        .else_lost(if has_proc { "" } else { nothing });
    let unshare = finding("unshare", threads::ask().map(drop))
        .either(
            "the kernel says before each fork whether there is one thread",
            "threads are counted in /proc/self/task",
        )
        .else_lost(if has_proc { "" } else { nothing });
    let memory_file = memfd::sealed(&[]).map(drop).map_err(Lack::from);
    let memfd_create = finding("memfd_create", memory_file)
        .either("arguments and orders above 64 kB travel in sealed memory files", "they only travel in the socket")
        .else_lost("arguments and orders above 64 kB, Python, Perl, Command with Namespaces::PID");
    let clone3 = finding("clone3", launch::birth_in_cgroup()).either(
        "programs are born in their control group (version 2)",
        "programs join their control group before they do anything else",
    );
    // posix_spawn(3) of glibc takes no other answer for "use clone(2)".
    let clone3 = match clone3.presence {
        Presence::Refused(errno) if errno != libc::ENOSYS => clone3.lost(
            "with glibc 2.34 or newer a start of the default template unless anyfork::early() has forked it: let the filter answer ENOSYS",
        ),
        _ => clone3,
    };
    let waitid = finding("waitid", wait::availability())
        .either("templates wait for their children, and report how they ended", "nobody waits for them")
        .else_lost("exit statuses; zombies stay until their template ends");
    let adoption = rustix::process::child_subreaper().map(drop).map_err(Lack::from);
    let subreaper = finding("PR_SET_CHILD_SUBREAPER", adoption)
        .either("the default template adopts workers whose template is gone, and reports their ends", "")
        .else_lost("the default template does not start");
    findings.extend([close_range, memfd_create, unshare, clone3, waitid, subreaper]);
    findings
}

fn pidfds(own: &Result<OwnedFd, Lack>, kernel: &str) -> Vec<Finding> {
    let open = finding("pidfd_open", own.as_ref().map(drop).map_err(|lack| *lack))
        .either(
            "signals reach nobody else; the end of a process wakes who waits for it",
            "signals go through the template; ends are asked for each millisecond",
        )
        .else_lost(
            "Child::kill_tree, Worker::pidfd; statuses of workers whose template was killed; a killed default template may stay a zombie",
        );
    let state = |ask: fn(&OwnedFd) -> Result<(), Lack>| own.as_ref().map_or(Presence::Unknown, |own| ask(own).into());
    let signals = finding("pidfd_send_signal", state(|own| pidfd::send_none(own)))
        .either("signals are sent by it", "there is no other way to a process that has a pidfd")
        .else_lost("Worker::kill and signal, Child::kill and kill_tree, kill_on_drop; a start given up late may go on");
    let hang_up = finding("pidfd hang-up", state(|own| pidfd::try_hang_up(own))).either(
        "who waits is woken when the status is there (Linux 6.9)",
        "who waits is woken by the end, and then asks for the status each millisecond",
    );
    // An exit status shows only when there is one.
    let keeps = match state(|own| pidfd::has_info(own)) {
        Presence::There => Presence::from(is_since(kernel, KEEPS_STATUSES)),
        keeps => keeps,
    };
    let info = finding("PIDFD_GET_INFO", keeps)
        .either(
            "the kernel keeps exit statuses for who has the pidfd (Linux 6.15)",
            "statuses come from templates alone",
        )
        .else_lost(
            "the status of a worker may be Lost if its template and the default template are killed before it ends",
        );
    let mut all = vec![open, signals, hang_up, info];
    if own.is_err() {
        // They have not been asked, and make no difference.
        all[1..].iter_mut().for_each(|finding| *finding = finding.clone().path("not asked: it takes a pidfd"));
    }
    all
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
