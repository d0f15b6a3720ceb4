//! Nobody is left behind: no zombies while the host idles, no process that nobody wants; and those that are meant to go on do.

use anyfork_tests::{LONG, Scratch, all_end_soon, host, keeps_statuses, lives, stat, within};
use std::time::Duration;

fn told(path: &str) -> String {
    within(LONG, "a process tells something in a file", || std::fs::read_to_string(path).ok())
}

#[test]
fn an_idle_host_has_no_zombies() {
    let mut host = host!("zombies", "idle", &Scratch::new("idle"));
    host.fact("idle");
    // The host, its default template and one template; all else has ended or was given up.
    within(LONG, "only templates are left", || (host.family().len() == 3).then_some(()));
    within(LONG, "the dead are waited for", || host.zombies().is_empty().then_some(()));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!((host.zombies(), host.family().len()), (vec![], 3));
    host.go();
    host.finish();
}

#[test]
fn a_dropped_template_is_gone_and_its_workers_go_on() {
    let mut host = host!("zombies", "dropped-template");
    host.fact("before");
    let (template, nested, workers) = (host.number("template"), host.number("nested"), host.numbers("workers"));
    assert!(lives(template));
    host.go();
    host.fact("dropped");
    all_end_soon(&[template]);
    assert!(workers.iter().chain([&nested]).all(|pid| lives(*pid)));
    host.go();
    assert_eq!(host.fact("codes"), "10 11 12");
    assert_eq!(host.fact("usage"), "true");
    assert_eq!(host.fact("nested-works"), "true");
    host.fact("bound-orphaned");
    let (bound, keeping) = (host.number("bound"), host.number("keeping"));
    std::thread::sleep(Duration::from_millis(100));
    assert!(lives(bound), "a worker that dies with its owner does not die with a dropped template");
    assert!(host.zombies().is_empty());
    host.kill();
    all_end_soon(&[bound, keeping, nested]);
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds a child of the program cannot be waited for safely")]
fn workers_of_a_dropped_template_made_here_tell_how_they_ended() {
    let mut host = host!("zombies", "dropped-template-here");
    host.fact("before");
    let template = host.number("template");
    host.go();
    host.fact("dropped");
    assert!(stat(template).is_none(), "it is a child of the host, which has to wait for it");
    host.go();
    let end = host.fact("end");
    // Without the kernel's record it depends on whoever adopts it.
    assert!(end == "exit status: 13" || (end == "lost" && !keeps_statuses()), "{end}");
    host.finish();
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds a child of the program cannot be waited for safely")]
fn a_template_made_here_that_ends_late_is_waited_for_when_anyfork_is_used_next() {
    let mut host = host!("zombies", "kept-template-here");
    host.fact("dropped");
    let (template, worker) = (host.number("template"), host.number("worker"));
    assert!(lives(template) && lives(worker));
    host.go();
    host.fact("ended");
    all_end_soon(&[worker, template]);
    host.go();
    host.fact("used-next");
    assert!(stat(template).is_none(), "it is a zombie");
    host.go();
    host.finish();
}

#[test]
fn a_dropped_worker_goes_on_or_is_killed_as_it_was_told() {
    let witness = Scratch::new("dropped");
    let mut host = host!("zombies", "dropped-workers", &witness);
    host.fact("killed-lives");
    let (plain, killed) = (host.number("plain"), host.number("killed"));
    assert_eq!(told(&witness), "eof");
    assert!(lives(plain) && lives(killed));
    host.go();
    host.fact("dropped");
    all_end_soon(&[killed]);
    assert_eq!(told(&format!("{}.detached", &*witness)), "eof");
    let detached = host.number("detached");
    assert!(lives(plain) && lives(detached));
    within(LONG, "the dead are waited for", || host.zombies().is_empty().then_some(()));
    host.go();
    host.finish();
    assert!(lives(plain) && lives(detached), "they do not die with the owner");
}

fn ends_when_given_up(how: &str) {
    let witness = Scratch::new("given-up");
    let mut host = host!("zombies", "given-up", how, &witness);
    host.fact("preparing");
    let preparing: u32 = told(&witness).parse().unwrap();
    assert!(lives(preparing));
    host.go();
    host.fact("given-up");
    all_end_soon(&[preparing]);
    within(LONG, "the dead are waited for", || host.zombies().is_empty().then_some(()));
    host.go();
    host.finish();
}

#[test]
fn a_preparation_ends_when_its_process_is_dropped() {
    ends_when_given_up("process");
}

#[test]
fn a_preparation_ends_when_its_start_is_dropped() {
    ends_when_given_up("start");
}

#[test]
fn a_preparation_ends_when_its_template_is_dropped() {
    ends_when_given_up("template");
}

#[test]
fn a_preparation_ends_with_its_deadline() {
    ends_when_given_up("deadline");
}
