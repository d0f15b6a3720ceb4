//! Forks in advance: taken once, filled up, and never left behind.

use super::faults::{limit, limit_processes, template_of_a_fresh_user};
use super::owner;
use anyfork::{Binds, Reserves, Spares, Template, Worker};
use anyfork_conformance::{Subject, end, has_ended, inputs, park, release, run, text};
use anyfork_tests::{
    LONG, SOON, Scratch, all_end_soon, children, descriptors, identity, lives, open_files, signal, wait_until, within,
};
use rustix::process::{Resource, Signal};
use std::collections::BTreeSet;
use std::fs::File;
use std::time::Duration;

fn wait_for<S: Reserves>(template: &Template<S>, count: usize) {
    assert!(wait_until(LONG, || template.spares_waiting() == count), "{} wait", template.spares_waiting());
}

pub(crate) fn a_spare_is_taken_with_what_its_template_has_and_used_once<S: Subject<Server: Reserves>>() {
    let template = S::process().call(S::name("prepare"), ["kept"]).arg("queued").template().unwrap();
    template.spares(0..=3).unwrap();
    wait_for(&template, 3);
    let waiting: BTreeSet<u32> = children(template.pid()).into_iter().collect();
    let workers: Vec<Worker> = (0..3).map(|_| run::<S>(template.fork().arg("own"), "two_inputs")).collect();
    let taken: BTreeSet<u32> = workers.iter().map(Worker::pid).collect();
    // The last one was taken before any could be forked again.
    assert_eq!(taken, waiting);
    for worker in &workers {
        assert_eq!(text(worker), "queued own");
        assert!(has_ended::<S>(worker, Some(0), None));
    }
    let template = S::process().call(S::name("prepare"), ["kept"]).template().unwrap();
    template.spares(1..=2).unwrap();
    wait_for(&template, 2);
    let worker = run::<S>(template.fork().call(S::name("prepare"), ["alone"]), "state");
    assert_eq!(text(&worker), "kept,alone");
    assert_eq!(text(&run::<S>(template.fork(), "state")), "kept", "another's preparation");
}

pub(crate) fn spares_are_forked_again_when_few_are_left<S: Subject<Server: Reserves>>() {
    let template = S::template();
    template.spares(Spares::new(1..=4).delay(Duration::from_millis(20))).unwrap();
    wait_for(&template, 4);
    assert!(template.spares_memory() > 0);
    for _ in 0..2 {
        assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    }
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(template.spares_waiting(), 2, "more than one is left");
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    wait_for(&template, 4);
    template.spares(0..=0).unwrap();
    assert!(wait_until(LONG, || children(template.pid()).is_empty()), "{:?}", children(template.pid()));
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    assert_eq!(template.spares_waiting(), 0);
}

pub(crate) fn more_starts_than_spares_are_forked_as_usual<S: Subject<Server: Reserves>>() {
    let template = S::template();
    template.spares(2..=4).unwrap();
    wait_for(&template, 4);
    let starting: Vec<_> = (0..40).map(|code| template.fork().arg(code).start(S::name("exit_with"))).collect();
    let workers: Vec<Worker> = starting.into_iter().map(|starting| starting.wait().unwrap()).collect();
    for (code, worker) in workers.iter().enumerate() {
        assert!(has_ended::<S>(worker, Some(code as i32), None));
    }
    assert!(wait_until(LONG, || template.spares_waiting() > 2), "{} wait", template.spares_waiting());
}

pub(crate) fn a_spare_has_exactly_what_was_sent<S: Subject<Server: Reserves>>() {
    let template = S::template();
    template.spares(0..=3).unwrap();
    wait_for(&template, 3);
    let waiting = children(template.pid());
    let file = File::open("/proc/self/stat").unwrap();
    for _ in 0..3 {
        let (worker, socket) = park::<S>(template.fork().fd(&file));
        assert!(waiting.contains(&worker.pid()));
        let mut expected: Vec<String> =
            (0..=2).map(|number| descriptors(std::process::id())[&number].clone()).collect();
        expected.extend([socket, identity(&file)]);
        expected.sort();
        assert_eq!(open_files(worker.pid()), expected);
        release(&worker, 0);
        end::<S>(&worker);
    }
}

pub(crate) fn spares_leave_no_descriptor_and_no_process<S: Subject<Server: Reserves>>() {
    let template = S::template();
    // Its own reply is behind it then.
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    let open = descriptors(template.pid());
    let here = open_files(std::process::id()).len();
    for _ in 0..20 {
        template.spares(2..=4).unwrap();
        wait_for(&template, 4);
        assert_eq!(text(&run::<S>(template.fork(), "state")), "");
        template.spares(0..=0).unwrap();
    }
    assert!(wait_until(LONG, || children(template.pid()).is_empty()), "{:?}", children(template.pid()));
    assert_eq!(descriptors(template.pid()), open);
    assert_eq!(template.spares_waiting(), 0);
    assert_eq!(open_files(std::process::id()).len(), here);
}

pub(crate) fn a_killed_spare_is_not_handed_out<S: Subject<Server: Reserves>>() {
    let template = S::template();
    template.spares(2..=3).unwrap();
    wait_for(&template, 3);
    let killed = children(template.pid());
    assert_eq!(killed.len(), 3);
    killed.iter().for_each(|pid| signal(*pid, Signal::KILL));
    all_end_soon(&killed);
    for _ in 0..4 {
        assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    }
    wait_for(&template, 3);
}

pub(crate) fn a_dropped_template_takes_waiting_spares_along_and_workers_go_on<S: Subject<Server: Binds + Reserves>>() {
    let template = S::template();
    template.spares(0..=4).unwrap();
    wait_for(&template, 4);
    let waiting = children(template.pid());
    let (free, _) = park::<S>(template.fork());
    let (bound, _) = park::<S>(template.fork().die_with_owner(true));
    let below = template.fork().call(S::name("prepare"), ["below"]).template().unwrap();
    let taken = [free.pid(), bound.pid(), below.pid()];
    let (taken, waits): (Vec<u32>, Vec<u32>) = waiting.into_iter().partition(|pid| taken.contains(pid));
    assert_eq!((taken.len(), waits.len()), (3, 1));
    let pid = template.pid();
    drop(template);
    all_end_soon(&waits);
    std::thread::sleep(Duration::from_millis(50));
    assert!(taken.iter().all(|pid| lives(*pid)), "what was taken goes on");
    assert!(lives(pid), "its bound worker keeps it");
    release(&bound, 7);
    assert!(has_ended::<S>(&bound, Some(7), None));
    all_end_soon(&[pid]);
    assert_eq!(text(&run::<S>(below.fork(), "state")), "below");
    release(&free, 0);
    all_end_soon(&[free.pid()]);
}

pub(crate) fn a_killed_template_takes_waiting_spares_along<S: Subject<Server: Binds + Reserves>>() {
    let template = S::template();
    template.spares(0..=3).unwrap();
    wait_for(&template, 3);
    let mut ends = children(template.pid());
    let (free, _) = park::<S>(template.fork());
    let (bound, _) = park::<S>(template.fork().die_with_owner(true));
    ends.retain(|pid| *pid != free.pid());
    assert!(ends.len() == 2 && ends.contains(&bound.pid()));
    signal(template.pid(), Signal::KILL);
    all_end_soon(&ends);
    assert!(lives(free.pid()));
    release(&free, 0);
    all_end_soon(&[free.pid()]);
}

pub(crate) fn a_killed_program_takes_waiting_spares_along<S: Subject<Server: Reserves>>() {
    let witness = Scratch::new("spares");
    let mut host = owner::host::<S>("spares", &witness);
    host.fact("ready");
    let (ends, free) = (host.numbers("ends"), host.number("free"));
    assert_eq!(ends.len(), 4, "a template, its bound worker, two that wait");
    host.kill();
    all_end_soon(&ends);
    within(LONG, "the free worker reads end-of-file", || std::fs::read(&*witness).ok());
    assert!(lives(free));
    signal(free, Signal::KILL);
}

/// A user may have so many descriptors under way as one process may have open (unix(7)).
pub(crate) fn spares_wait_while_too_many_sockets_are_under_way<S: Subject<Server: Reserves>>() {
    let (template, user) = template_of_a_fresh_user::<S>();
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    limit(template.pid(), user, Resource::Nofile, Some(40));
    template.spares(0..=60).unwrap();
    // Until one is there whose socket cannot be sent. No more are forked then.
    let mut forked = 0;
    let has_stopped = || {
        std::thread::sleep(Duration::from_millis(50));
        let before = std::mem::replace(&mut forked, children(template.pid()).len());
        before == forked && before > 30
    };
    assert!(wait_until(LONG, has_stopped), "{forked} of 60");
    assert!(forked < 60, "{forked}: too few descriptors are under way for this test");
    let used = || -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", template.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
        fields[12..14].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    };
    let before = used();
    std::thread::sleep(Duration::from_millis(500));
    assert!(used() - before < 10, "it has used {} ticks for nothing", used() - before);
    wait_for(&template, 60);
}

pub(crate) fn spares_that_cannot_be_forked_are_no_error_and_come_later<S: Subject<Server: Reserves>>() {
    let (template, user) = template_of_a_fresh_user::<S>();
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    let before = descriptors(template.pid());
    limit_processes(template.pid(), user, Some(1));
    template.spares(1..=3).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(template.spares_waiting(), 0);
    assert!(wait_until(SOON, || descriptors(template.pid()) == before), "what was to go with a spare stays open");
    limit_processes(template.pid(), user, None);
    // Each start asks again, after a rest.
    within(LONG, "they come", || {
        assert_eq!(inputs::<S>(template.fork()), []);
        (template.spares_waiting() > 0).then_some(())
    });
}
