//! A new process has standard input, output and error, its socket and what was sent to it, and nothing else; starting processes
//! leaves nothing open anywhere.

use anyfork_tests::{Host, LONG, children, descriptors, host, open_files, within};

fn has_exactly_what_was_sent(origin: &str) {
    let mut host = host!("descriptors", "worker", origin);
    host.fact("ready");
    let of_host = descriptors(host.pid());
    assert!(of_host.len() > 200, "the host should hold many: {}", of_host.len());
    let mut expected: Vec<String> = (0..=2).map(|number| of_host[&number].clone()).collect();
    expected.push(host.fact("socket"));
    expected.extend(host.fact("sent").split(' ').map(str::to_owned));
    expected.sort();
    let worker = host.number("worker");
    assert_eq!(open_files(worker), expected, "{:?}", descriptors(worker));
    let of_worker = descriptors(worker);
    assert!((0..=2).all(|number| of_worker[&number] == of_host[&number]), "{of_worker:?}");
    host.go();
    host.finish();
}

#[test]
fn a_worker_of_the_default_template_has_what_was_sent() {
    has_exactly_what_was_sent("default");
}

#[test]
fn a_worker_of_a_nested_template_has_what_was_sent() {
    has_exactly_what_was_sent("nested");
}

#[test]
fn a_worker_from_a_spare_has_what_was_sent() {
    has_exactly_what_was_sent("spare");
}

#[test]
fn a_worker_has_what_its_templates_queued() {
    has_exactly_what_was_sent("inherited");
}

#[test]
fn a_fresh_exec_has_what_was_sent() {
    has_exactly_what_was_sent("exec");
}

#[test]
fn a_worker_of_an_early_template_has_what_was_sent() {
    has_exactly_what_was_sent("early");
}

#[test]
fn a_worker_of_a_template_made_here_has_what_was_sent() {
    has_exactly_what_was_sent("here");
}

#[test]
fn many_starts_leave_no_descriptor_open() {
    let mut host = host!("descriptors", "starts");
    host.fact("counted");
    let templates: Vec<u32> = children(host.pid()).into_iter().chain(host.numbers("templates")).collect();
    let sets = || templates.iter().map(|pid| open_files(*pid)).collect::<Vec<_>>();
    let before = sets();
    host.go();
    host.fact("done");
    assert_eq!(host.fact("before"), host.fact("after"));
    // What was given up is taken down by the templates, while the host has gone on.
    within(LONG, "templates have the descriptors they had", || (sets() == before).then_some(()));
    within(LONG, "nothing is left but the templates", || (host.family().len() == 1 + 3).then_some(()));
    host.go();
    host.finish();
}

fn works_without_standard_descriptors(origin: &str) {
    let mut host: Host = host!("descriptors", "closed", origin);
    host.fact("ready");
    let worker = host.number("worker");
    let null = anyfork_tests::identity(std::fs::File::open("/dev/null").unwrap());
    let mut expected = vec![null.clone(), null.clone(), null, host.fact("socket")];
    expected.sort();
    assert_eq!(open_files(worker), expected, "{:?}", descriptors(worker));
    host.go();
    assert_eq!(host.fact("code"), "Some(3)");
    host.finish();
}

#[test]
fn closed_standard_descriptors_are_null_in_workers() {
    works_without_standard_descriptors("default");
}

#[test]
fn closed_standard_descriptors_are_null_in_a_fresh_exec() {
    works_without_standard_descriptors("exec");
}

#[test]
fn closed_standard_descriptors_are_null_below_an_early_template() {
    works_without_standard_descriptors("early");
}

#[test]
fn closed_standard_descriptors_are_null_below_a_template_made_here() {
    works_without_standard_descriptors("here");
}
