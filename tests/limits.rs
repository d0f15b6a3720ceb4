//! Limits: a failed fork, or a descriptor too many, is one failed request, and the next one works.

use anyfork_tests::{SOON, descriptors, fresh_user, host, stat, within};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// Lowers a limit of another process. Returns what it was.
fn limit(pid: u32, resource: Resource, current: u64) -> Rlimit {
    let lower = Rlimit { current: Some(current), ..getrlimit(resource) };
    prlimit(Pid::from_raw(pid as i32), resource, lower).unwrap()
}

fn lift(pid: u32, resource: Resource, usual: Rlimit) {
    prlimit(Pid::from_raw(pid as i32), resource, usual).unwrap();
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds none are under way")]
fn answers_wait_while_too_many_descriptors_are_under_way() {
    let Some(user) = fresh_user() else { return };
    let mut host = host!("limits", "under-way", &user.to_string());
    assert_eq!(host.number("with-pidfd"), 200);
    host.finish();
}

#[test]
fn orders_wait_while_too_many_descriptors_are_under_way() {
    let Some(user) = fresh_user() else { return };
    let mut host = host!("limits", "orders-under-way", &user.to_string());
    assert!(host.number("kept") > 400, "all were taken: too few for this test");
    assert_eq!(host.number("right"), 5);
    assert_eq!(host.fact("left"), "false");
    host.finish();
}

#[test]
fn a_fork_that_fails_is_one_failed_request() {
    let Some(user) = fresh_user() else { return };
    let mut host = host!("limits", "processes", &user.to_string());
    host.fact("look-before");
    let templates = [host.number("template"), host.default_template()];
    let before = templates.map(descriptors);
    host.go();
    for key in ["plain", "prepared", "default"] {
        let failure = host.fact(key);
        assert!(failure.starts_with(&format!("System {} ", libc::EAGAIN)), "{key}: {failure}");
        assert!(failure.contains("fork in the template"), "{key}: {failure}");
    }
    host.fact("look-after");
    // A template closes what came with a request when it has told the failure.
    within(SOON, "what was sent with a failed request is closed", || {
        (templates.map(descriptors) == before).then_some(())
    });
    host.go();
    assert_eq!(host.fact("template-again"), "none");
    assert_eq!(host.fact("default-again"), "none");
    host.finish();
}

fn is_right(result: &str) -> bool {
    result == "none" || result.starts_with(&format!("System {} ", libc::EMFILE))
}

#[test]
fn a_template_without_free_descriptors_fails_requests_and_lives() {
    let mut host = host!("limits", "template-descriptors");
    let template = host.number("template");
    let open = descriptors(template);
    let mut usual = None;
    let mut failures = 0;
    for step in 0..12 {
        host.fact(&format!("limit-{step}"));
        let before = limit(template, Resource::Nofile, open.len() as u64 + step);
        usual.get_or_insert(before);
        host.go();
        let result = host.fact(&format!("step-{step}"));
        assert!(is_right(&result), "room for {step}: {result}");
        failures += u32::from(result != "none");
    }
    assert!((2..12).contains(&failures), "{failures} of 12 failed");
    host.fact("lift-it");
    assert_eq!(descriptors(template), open);
    lift(template, Resource::Nofile, usual.unwrap());
    host.go();
    assert_eq!(host.fact("again"), "none");
    host.fact("done");
    assert!(stat(template).is_some());
    // An end is reported a moment before the template waits for the process.
    within(SOON, "no zombies", || host.zombies().is_empty().then_some(()));
    host.go();
    host.finish();
}

#[test]
fn a_host_without_free_descriptors_gets_an_error_and_works_again() {
    let mut host = host!("limits", "host-descriptors");
    for key in ["first", "template", "exec", "prepared", "bound"] {
        let results = host.fact(key);
        for (room, result) in results.split('|').enumerate() {
            assert!(is_right(result), "{key} with room for {room}: {result}");
        }
        assert!(results.starts_with("System") && results.ends_with("none"), "{key}: {results}");
        assert_eq!(host.fact(&format!("{key}-again")), "none");
        // The first start brings the default template.
        assert_eq!(host.fact(&format!("{key}-left")), (key == "first").to_string(), "descriptors left by {key}");
    }
    host.fact("done");
    anyfork_tests::within(anyfork_tests::LONG, "no zombies are left", || host.zombies().is_empty().then_some(()));
    host.go();
    host.finish();
}

#[test]
fn a_start_tells_of_its_deadline_however_few_descriptors_are_left() {
    let mut host = host!("limits", "deadlines");
    for (key, kind) in
        [("start", "Deadline"), ("output", "Deadline"), ("queued", "Deadline"), ("failed", "InvalidInput")]
    {
        let results = host.fact(key);
        let is_right = |result: &str| result == kind || result == "System";
        assert!(results.split('|').all(is_right) && results.ends_with(kind), "{key}: {results}");
    }
    host.finish();
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "trees are killed by pidfds")]
fn a_tree_is_killed_as_a_whole_or_there_is_an_error() {
    let mut host = host!("limits", "kill-tree");
    let results = host.fact("killed");
    assert!(results.split('|').all(|result| matches!(result, "0 left" | "System")), "{results}");
    assert!(results.starts_with("System") && results.ends_with("0 left"), "{results}");
    host.finish();
}
