//! Templates that are killed, stopped or starved: each request gets its answer in time, and live workers go on.

use anyfork_tests::{Host, LONG, Scratch, all_end_soon, host, needs_kept_statuses, signal, stat, stop, within};
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;

/// No process but the host and its default template, dead or alive, and no descriptor.
fn nothing_is_left(host: &mut Host) {
    host.fact("look-after");
    within(LONG, "host and default template are left", || host.has_only_its_template().then_some(()));
    assert_eq!(host.number("left"), 0, "descriptors");
    host.go();
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds signals go through the template, which is gone")]
fn a_killed_template_fails_what_is_in_flight_and_its_workers_go_on() {
    let mut host = host!("faults", "killed-template");
    host.fact("stop-it");
    let template = host.number("template");
    stop(template);
    host.go();
    host.fact("kill-it");
    signal(template, Signal::KILL);
    all_end_soon(&[template]);
    host.go();
    let kinds = host.fact("in-flight");
    assert!(kinds.split(' ').all(|kind| matches!(kind, "TemplateGone" | "ProcessGone")), "{kinds}");
    assert_eq!(host.fact("later"), "TemplateGone");
    assert_eq!(host.fact("live"), "1 1 1");
    assert_eq!(host.fact("dead"), "15");
    assert_eq!(host.fact("codes"), "20 21 22");
    assert_eq!(host.fact("another"), "true");
    nothing_is_left(&mut host);
    host.finish();
}

#[test]
#[cfg_attr(
    any(anyfork_no_pidfd, anyfork_no_pidfd_info),
    ignore = "without the kernel's record it depends on init how workers of a killed default template ended"
)]
fn a_killed_default_template_is_started_again() {
    if !needs_kept_statuses() {
        return;
    }
    let mut host = host!("faults", "killed-default");
    host.fact("kill-it");
    let first = host.default_template();
    signal(first, Signal::KILL);
    all_end_soon(&[first]);
    host.go();
    assert_eq!(host.fact("next"), "true");
    assert_eq!(host.fact("codes"), "20 21 22");
    assert_eq!(host.fact("template-works"), "true");
    assert_eq!(host.fact("codes-below"), "20 21 22");
    nothing_is_left(&mut host);
    assert!(stat(first).is_none(), "the killed one is a zombie");
    host.finish();
}

fn stops(mut host: Host, kind: &str, witness: &str) -> Host {
    host.fact("stop-it");
    let template = if kind == "template" { host.number("template") } else { host.default_template() };
    stop(template);
    host.go();
    host.fact("continue-it");
    let took = host.number("took");
    assert!(took < 1000, "{took} ms");
    signal(template, Signal::CONT);
    host.go();
    // By then the template has followed all earlier orders.
    host.fact("works-again");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!Path::new(witness).exists(), "the entry was entered after it had been given up");
    assert!(host.zombies().is_empty());
    assert_eq!(host.family().len(), 3, "only templates should be left");
    host.go();
    host.finish();
    host
}

fn deadline_is_kept(kind: &str) {
    let witness = Scratch::new("stopped");
    let mut host = stops(host!("faults", "stopped", kind, &witness), kind, &witness);
    assert_eq!(host.fact("kind"), "Deadline");
    assert!(host.number("took") >= 200);
}

#[test]
fn a_deadline_is_kept_while_the_template_is_stopped() {
    deadline_is_kept("template");
}

#[test]
fn a_deadline_is_kept_while_the_default_template_is_stopped() {
    deadline_is_kept("default");
}

#[test]
fn a_deadline_of_a_fresh_exec_is_kept_while_the_default_template_is_stopped() {
    deadline_is_kept("exec");
}

#[test]
fn a_start_that_was_dropped_never_starts() {
    let witness = Scratch::new("dropped-start");
    stops(host!("faults", "dropped-while-stopped", "start", &witness), "template", &witness);
}

#[test]
fn a_preparation_that_was_dropped_never_begins() {
    let witness = Scratch::new("dropped-call");
    stops(host!("faults", "dropped-while-stopped", "call", &witness), "template", &witness);
}
