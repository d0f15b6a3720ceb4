//! A filter denies one system call. The report says so, and a start in the same program takes the way that the report names.

use anyfork_tests::{Host, LONG, descriptors, host, needs_kept_statuses, within};

/// As kernels that do not have it refuse it, and as filters do.
const ERRNOS: [i32; 2] = [libc::ENOSYS, libc::EPERM];

struct Denied {
    host: Host,
    refused: String,
    errno: i32,
}

/// What is asked of a host in which `call` is denied, when the report is right about it.
fn each(call: &str, name: &str, check: impl Fn(&mut Denied)) {
    for errno in ERRNOS {
        let mut host = host!("doctor", "denied", call, &errno.to_string());
        let refused = format!("Refused({errno})");
        assert_eq!(host.fact(name), refused, "{call}");
        // Nothing else is denied by that.
        for other in ["close_range", "memfd_create", "unshare", "waitid", "PR_SET_CHILD_SUBREAPER"] {
            assert_eq!(host.fact(other) == refused, other == name, "{other}, with {call} denied");
        }
        check(&mut Denied { host, refused, errno });
    }
}

impl Denied {
    fn is(&mut self, key: &str, expected: &str) {
        let seen = self.host.fact(key);
        assert_eq!(seen, expected, "{key}, errno {}", self.errno);
    }

    fn fails(&mut self, key: &str) {
        let seen = self.host.fact(key);
        assert!(seen.starts_with(&format!("System {} ", self.errno)), "{key}: {seen}");
    }

    /// Lets the host go on when it has a worker.
    fn look(&mut self) -> u32 {
        self.is("worker", "none");
        let pid = self.host.number("worker-pid");
        self.host.fact("look");
        pid
    }

    /// All that does not need the call works.
    fn works(&mut self, but: &[&str]) {
        for key in ["large", "here", "command", "names", "kill"].iter().filter(|key| !but.contains(key)) {
            self.is(key, "none");
        }
        self.is("status", "signal: 9 (SIGKILL)");
        self.host.finish();
        within(LONG, "no process is left", || self.host.family().is_empty().then_some(()));
    }

    fn loses(&mut self, name: &str, what: &str) {
        let lost = self.host.fact(&format!("{name}:lost"));
        assert!(if what.is_empty() { lost.is_empty() } else { lost.contains(what) }, "{name}: {lost:?}");
    }
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds it is not asked for")]
fn pidfd_open_signals_go_through_the_template() {
    each("pidfd_open", "pidfd_open", |denied| {
        denied.loses("pidfd_open", "kill_tree");
        denied.is("pidfd_hang-up", "Unknown");
        denied.look();
        denied.is("pidfd", "false");
        denied.host.go();
        denied.works(&[]);
    });
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds it is not asked for")]
fn pidfd_send_signal_signals_go_through_the_template() {
    each("pidfd_send_signal", "pidfd_send_signal", |denied| {
        denied.loses("pidfd_send_signal", "Child::kill_tree");
        denied.look();
        denied.is("pidfd", "true");
        denied.host.go();
        denied.works(&[]);
    });
}

#[test]
#[cfg_attr(any(anyfork_no_pidfd, anyfork_no_pidfd_hangup), ignore = "it is not asked for")]
fn fstatfs_the_status_is_asked_for() {
    each("fstatfs", "pidfd_hang-up", |denied| {
        denied.loses("pidfd_hang-up", "");
        denied.look();
        denied.host.go();
        denied.works(&[]);
    });
}

#[test]
#[cfg_attr(any(anyfork_no_pidfd, anyfork_no_pidfd_info), ignore = "it is not asked for")]
fn the_question_for_a_status_statuses_come_from_templates() {
    if !needs_kept_statuses() {
        return;
    }
    each("PIDFD_GET_INFO", "PIDFD_GET_INFO", |denied| {
        denied.loses("PIDFD_GET_INFO", "Lost");
        denied.look();
        denied.host.go();
        denied.works(&[]);
    });
}

#[test]
#[cfg_attr(anyfork_no_close_range, ignore = "it is not asked for")]
fn close_range_descriptors_are_closed_one_by_one() {
    each("close_range", "close_range", |denied| {
        denied.loses("close_range", "");
        let worker = denied.look();
        let open: Vec<u32> = descriptors(worker).into_keys().collect();
        assert_eq!(open[..3], [0, 1, 2]);
        assert_eq!(open.len(), 4, "its socket and nothing that was inherited: {open:?}");
        denied.host.go();
        denied.works(&[]);
    });
}

#[test]
fn memfd_create_large_arguments_fail() {
    each("memfd_create", "memfd_create", |denied| {
        denied.loses("memfd_create", "64 kB");
        denied.look();
        denied.host.go();
        denied.fails("large");
        denied.works(&["large"]);
    });
}

#[test]
#[cfg_attr(anyfork_no_unshare, ignore = "it is not asked for")]
fn unshare_threads_are_counted() {
    each("unshare", "unshare", |denied| {
        denied.loses("unshare", "");
        denied.is("fork_of_this_program:seen", "one thread");
        denied.look();
        denied.host.go();
        denied.works(&[]);
    });
}

#[test]
#[cfg_attr(anyfork_no_clone_into_cgroup, ignore = "it is not asked for")]
fn clone3_programs_are_made_by_clone() {
    each("clone3", "clone3", |denied| {
        denied.loses("clone3", "");
        denied.look();
        denied.host.go();
        denied.works(&[]);
    });
}

#[test]
fn waitid_statuses_come_from_wait4() {
    each("waitid", "waitid", |denied| {
        denied.loses("waitid", "zombie");
        denied.look();
        denied.host.go();
        denied.works(&[]);
    });
}

#[test]
fn a_subreaper_the_default_template_does_not_start() {
    each("PR_SET_CHILD_SUBREAPER", "PR_SET_CHILD_SUBREAPER", |denied| {
        denied.loses("PR_SET_CHILD_SUBREAPER", "default template");
        denied.fails("worker");
        denied.host.finish();
        within(LONG, "no process is left", || denied.host.family().is_empty().then_some(()));
    });
}

#[test]
fn landlock_rulesets_cannot_be_made() {
    each("landlock", "landlock", |denied| {
        denied.loses("landlock", "Command::landlock");
        denied.look();
        denied.host.go();
        denied.works(&[]);
        assert_eq!(denied.host.fact("landlock"), denied.refused);
    });
}
