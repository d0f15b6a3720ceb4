//! A number that was given to somebody else: whatever is done with the handle of the process that had it before, the stranger is never signalled or waited for. In a namespace of
//! numbers, where it can be said which comes next.

use super::root;
use anyfork_tests::{Host, Scratch, host, needs_kept_statuses};

fn spares_strangers(mut host: Host) {
    host.finish();
    assert_eq!(host.family(), [], "all in the namespace ends with its number 1");
}

#[test]
fn of_a_worker() {
    if root() {
        spares_strangers(host!("numbers", "worker"));
    }
}

#[test]
fn of_a_program() {
    if root() {
        spares_strangers(host!("numbers", "program"));
    }
}

#[test]
fn of_a_process_that_ended_in_its_preparation() {
    if root() {
        spares_strangers(host!("numbers", "start", &Scratch::new("preparing")));
    }
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds nobody can tell how the workers of a killed template ended")]
fn of_a_template() {
    if root() {
        spares_strangers(host!("numbers", "template"));
    }
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds a child of the program cannot be waited for safely")]
fn of_the_default_template() {
    if root() {
        spares_strangers(host!("numbers", "default-template"));
    }
}

/// The default template has told how another process of this number ended, and nobody has asked for that.
#[test]
#[cfg_attr(
    any(anyfork_no_pidfd, anyfork_no_pidfd_hangup, anyfork_no_pidfd_info),
    ignore = "without the kernel's record the one cannot be told from the other"
)]
fn of_an_orphan_does_not_give_its_status_to_another() {
    if !needs_kept_statuses() {
        return;
    }
    if root() {
        spares_strangers(host!("numbers", "orphan"));
    }
}
