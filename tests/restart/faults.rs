//! Restarts while something goes wrong: no descriptors, the default template killed, the program killed or forked.

use anyfork_tests::{LONG, Scratch, all_end_soon, host, lives, needs_kept_statuses, signal, wait_until, within};
use rustix::process::Signal;
use std::fs;

#[test]
fn without_descriptors_a_restart_is_an_error_and_works_later() {
    let mut host = host!("restart", "descriptors");
    host.fact("end");
    // Of each of two templates: 20, its socket and its pidfd.
    let per_template = if cfg!(anyfork_no_pidfd) { 21 } else { 22 };
    assert_eq!(host.number("kept"), 2 * per_template);
    let by_hand = host.fact("by-hand");
    assert!(by_hand.starts_with("System 24 restart a template: duplicate a descriptor: "), "{by_hand}");
    assert_eq!(host.fact("still-there"), "none");
    let automatic = host.fact("automatic");
    assert!(
        automatic.starts_with("TemplateGone fork: the template could not be restarted (restart a template: "),
        "{automatic}"
    );
    assert!(automatic.contains("(os error 24)"), "{automatic}");
    assert_eq!(host.number("kept-afterwards"), 2 * per_template);
    assert_eq!(host.fact("nothing-stays"), "true");
    host.finish();
}

#[test]
fn in_a_fork_of_the_program_a_restartable_template_is_inert() {
    let mut host = host!("restart", "forked");
    for verb in ["restart", "fresh", "fork", "command", "spares", "started"] {
        assert_eq!(host.fact(verb), "foreign", "{verb}");
    }
    assert_eq!(host.fact("is-there"), "true");
    assert_eq!(host.fact("is-new"), "true");
    host.finish();
}

/// Waits until the preparation has begun, and says in which process.
fn preparing(witness: &str) -> u32 {
    let text =
        within(LONG, "the preparation begins", || fs::read_to_string(witness).ok().filter(|text| !text.is_empty()));
    text.parse().unwrap()
}

#[test]
#[cfg_attr(
    any(anyfork_no_pidfd, anyfork_no_pidfd_info),
    ignore = "without the kernel's record it depends on init how workers of a killed default template ended"
)]
fn a_default_template_that_dies_under_a_restart_fails_it_and_nothing_else() {
    if !needs_kept_statuses() {
        return;
    }
    let witness = Scratch::new("default-dies");
    let mut host = host!("restart", "under-way", &witness);
    preparing(&witness);
    fs::remove_file(&*witness).unwrap();
    host.fact("disturb");
    let new = preparing(&witness);
    let first = host.default_template();
    signal(first, Signal::KILL);
    all_end_soon(&[first, new]);
    fs::remove_file(&*witness).unwrap();
    host.go();
    let kind = host.fact("restart");
    assert!(matches!(&*kind, "TemplateGone" | "ProcessGone"), "{kind}");
    assert_eq!(host.fact("still-there"), "none");
    host.fact("permit");
    preparing(&witness);
    fs::remove_file(&*witness).unwrap();
    host.go();
    assert_eq!(host.fact("again"), "none");
    assert_eq!(host.fact("still-works"), "none");
    assert_eq!(host.fact("code"), "7");
    host.finish();
}

#[test]
fn a_restart_ends_with_a_killed_program() {
    let witness = Scratch::new("owner-dies");
    let mut host = host!("restart", "under-way", &witness);
    preparing(&witness);
    fs::remove_file(&*witness).unwrap();
    host.fact("disturb");
    let (template, new) = (host.number("template"), preparing(&witness));
    assert!(lives(template) && lives(new));
    host.kill();
    all_end_soon(&[template, new]);
}

#[test]
#[cfg_attr(
    any(anyfork_no_pidfd, anyfork_no_pidfd_info),
    ignore = "without the kernel's record it depends on init how workers of a killed default template ended"
)]
fn nobody_is_left_by_a_template_that_was_restarted_in_all_ways() {
    if !needs_kept_statuses() {
        return;
    }
    let mut host = host!("restart", "again-and-again");
    let expected: Vec<String> = (0..20).map(|code: u32| code.to_string()).collect();
    assert_eq!(host.fact("codes"), expected.join(" "));
    host.fact("alone");
    assert!(wait_until(LONG, || host.has_only_its_template()), "{:?} {:?}", host.family(), host.zombies());
    host.go();
    host.finish();
}
