//! The default template and three below each other, killed in each order: those that live fork, workers go on and their statuses arrive, those that are bound end, and the
//! default template is started again. Wherever orphans go.
// Without the kernel's record it depends on who adopts them how workers of killed templates ended.
#![cfg(not(any(anyfork_no_pidfd, anyfork_no_pidfd_info)))]

use super::root;
use anyfork_tests::{Host, host, needs_kept_statuses, within};

fn in_each_order(mut host: Host) {
    if !needs_kept_statuses() {
        return;
    }
    assert_eq!(host.fact_within(std::time::Duration::from_secs(60), "orders"), "24");
    host.finish();
    within(anyfork_tests::LONG, "nothing is left", || host.family().is_empty().then_some(()));
}

#[test]
fn of_a_program_whose_orphans_init_adopts() {
    in_each_order(host!("nested", "plain"));
}

#[test]
fn of_a_program_that_is_number_one() {
    if root() {
        in_each_order(host!("nested", "number-one"));
    }
}

#[test]
fn of_a_program_that_adopts_orphans() {
    in_each_order(host!("nested", "adopting"));
}

#[test]
fn of_a_program_below_one_that_adopts_orphans_and_waits_for_none() {
    in_each_order(host!("nested", "below-a-subreaper"));
}
