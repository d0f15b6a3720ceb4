//! Limits: spares fail softly, starts work or say why they do not, and spares come back.

use anyfork_tests::{LONG, fresh_user, host, within};

#[test]
fn without_processes_none_are_forked_and_those_that_wait_are_used() {
    let Some(user) = fresh_user() else { return };
    let mut host = host!("spares", "processes", &user.to_string());
    assert_eq!(host.number("none"), 0);
    for key in ["start", "behind-them"] {
        let failure = host.fact(key);
        assert!(failure.starts_with(&format!("System {} ", libc::EAGAIN)), "{key}: {failure}");
    }
    assert_eq!(host.fact("again"), "none");
    assert_eq!(host.fact("waiting"), "none none none");
    assert_eq!(host.fact("once-more"), "none");
    host.finish();
}

#[test]
fn sockets_that_wait_to_be_taken_do_not_keep_the_template_busy() {
    let Some(user) = fresh_user() else { return };
    let mut host = host!("spares", "under-way", &user.to_string());
    let under_way = host.number("under-way");
    assert!((50..120).contains(&under_way), "{under_way}: the limit is 64");
    let busy = host.number("busy-ms");
    assert!(busy < 200, "{busy} ms of 500");
    assert_eq!(host.fact("start"), "none");
    host.finish();
}

/// Each is `spares result`, with less room at the beginning.
fn are_right(results: &str) {
    let results: Vec<(&str, &str)> = results.split('|').filter_map(|result| result.split_once(' ')).collect();
    for (room, (waiting, result)) in results.iter().enumerate() {
        let is_right = *result == "none" || result.starts_with(&format!("System {} ", libc::EMFILE));
        assert!(is_right, "room for {room}: {result}");
        assert!(waiting.parse::<usize>().is_ok_and(|waiting| waiting <= 3), "{waiting}");
    }
    assert!(results[0].0 == "0" && results[0].1 != "none", "{results:?}");
    assert_eq!(results.last(), Some(&("3", "none")), "{results:?}");
}

fn works_again(scenario: &str) {
    let mut host = host!("spares", scenario);
    are_right(&host.fact_within(2 * LONG, "results"));
    assert_eq!(host.fact("descriptors"), "same");
    host.fact("done");
    within(LONG, "nothing is left", || (host.family().len() == 3 && host.zombies().is_empty()).then_some(()));
    host.go();
    host.finish();
}

#[test]
fn a_template_without_free_descriptors_forks_none_and_lives() {
    works_again("template-descriptors");
}

#[test]
fn a_program_without_free_descriptors_gets_none_and_works_again() {
    works_again("host-descriptors");
}

#[test]
fn a_program_without_free_descriptors_does_not_have_them_forked_at_each_start() {
    let mut host = host!("spares", "busy-without-descriptors");
    let (started, forked) = (host.number("started"), host.number("forked"));
    assert!(forked < started + 250, "{forked} were forked for {started} starts");
    assert_eq!(host.fact("start"), "none");
    host.finish();
}

#[test]
fn more_than_the_program_can_have_are_lost_and_confuse_nothing() {
    let mut host = host!("spares", "many-for-few-descriptors");
    assert!((1..=40).contains(&host.number("waited")));
    assert_eq!(host.fact("start"), "none");
    assert_eq!(host.fact("descriptors"), "same");
    host.fact("done");
    within(LONG, "nothing is left", || (host.family().len() == 3 && host.zombies().is_empty()).then_some(()));
    host.go();
    host.finish();
}
