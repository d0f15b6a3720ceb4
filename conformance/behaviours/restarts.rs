//! Templates that come back by their recipe, and what becomes of those that were there.

use anyfork::{ErrorKind, Process, Restarts, Template, Worker};
use anyfork_conformance::{Seen, Subject, has_ended, inputs, park, release, run, text};
use anyfork_tests::{LONG, all_end_soon, identity, lives, signal, wait_until};
use rustix::process::Signal;
use std::fs::{self, File};
use std::sync::atomic::{AtomicU32, Ordering};

fn bare<S: Subject>(restarts: Restarts) -> Process<S::Server> {
    S::with_functions(S::bare().restarts(restarts))
}

/// One with a preparation.
fn prepared<S: Subject>(restarts: Restarts) -> Template<S::Server> {
    bare::<S>(restarts).call(S::name("prepare"), ["a", "b"]).template().unwrap()
}

fn state<S: Subject>(template: &Template<S::Server>) -> String {
    text(&run::<S>(template.fork(), "state"))
}

fn go_on<S: Subject>(workers: &[Worker]) {
    for (code, worker) in (20..).zip(workers) {
        assert!(lives(worker.pid()) && worker.try_wait().unwrap().is_none());
        release(worker, code);
        assert!(has_ended::<S>(worker, Some(code.into()), None), "{:?}", worker.wait());
    }
}

pub(crate) fn a_restarted_template_has_its_preparation_and_inputs<S: Subject>() {
    let file = File::open("/proc/self/exe").unwrap();
    let prepared = prepared::<S>(Restarts::by_hand());
    let queued = bare::<S>(Restarts::by_hand()).arg("queued").fd(&file).template().unwrap();
    let workers: Vec<Worker> = (0..3).map(|_| park::<S>(prepared.fork()).0).collect();
    let first = [prepared.pid(), queued.pid()];
    prepared.restart().unwrap();
    queued.restart().unwrap();
    all_end_soon(&first);
    assert!(!first.contains(&prepared.pid()) && !first.contains(&queued.pid()));
    assert_eq!(state::<S>(&prepared), "a,b");
    let octets = |text: &str| Seen::Octets(text.into());
    assert_eq!(inputs::<S>(queued.fork().arg("own")), [octets("queued"), Seen::File(identity(&file)), octets("own")]);
    go_on::<S>(&workers);
}

pub(crate) fn a_killed_template_is_restarted_by_the_next_start<S: Subject>() {
    let template = prepared::<S>(Restarts::automatic());
    let workers: Vec<Worker> = (0..3).map(|_| park::<S>(template.fork()).0).collect();
    let below = template.fork().restarts(Restarts::automatic()).call(S::name("prepare"), ["below"]).template().unwrap();
    let killed = [template.pid(), below.pid()];
    killed.into_iter().for_each(|pid| signal(pid, Signal::KILL));
    all_end_soon(&killed);
    assert_eq!(state::<S>(&below), "a,b,below");
    assert_eq!(state::<S>(&template), "a,b");
    assert!(!killed.contains(&template.pid()) && !killed.contains(&below.pid()));
    go_on::<S>(&workers);
}

pub(crate) fn nothing_is_lost_while_a_template_is_restarted<S: Subject>() {
    let template = prepared::<S>(Restarts::by_hand());
    let (count, turns) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while turns.load(Ordering::Relaxed) < 3 {
                    assert_eq!(state::<S>(&template), "a,b");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..3 {
                let before = count.load(Ordering::Relaxed);
                let is_used = || count.load(Ordering::Relaxed) > before + 2;
                let restarted = wait_until(LONG, is_used).then(|| template.restart());
                turns.fetch_add(1, Ordering::Relaxed);
                restarted.unwrap().unwrap();
            }
        });
    });
}

pub(crate) fn a_template_whose_origin_is_gone_stays_as_it_was<S: Subject>() {
    let upper = S::template();
    let lower = upper.fork().restarts(Restarts::by_hand()).call(S::name("prepare"), ["lower"]).template().unwrap();
    let pid = lower.pid();
    lower.restart().unwrap();
    assert_ne!(lower.pid(), pid);
    let pid = lower.pid();
    drop(upper);
    assert_eq!(lower.restart().unwrap_err().kind(), ErrorKind::TemplateGone);
    assert_eq!((lower.pid(), state::<S>(&lower)), (pid, "lower".into()));
    let error = lower.fresh().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

/// Where its stack is.
fn stack(pid: u32) -> String {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    maps.lines().find(|line| line.ends_with("[stack]")).unwrap().to_owned()
}

pub(crate) fn a_fresh_template_shares_nothing_and_has_the_same<S: Subject>() {
    let template = prepared::<S>(Restarts::by_hand());
    let below = template.fork().restarts(Restarts::by_hand()).call(S::name("prepare"), ["below"]).template().unwrap();
    let fresh = below.fresh().unwrap();
    if fs::read_to_string("/proc/sys/kernel/randomize_va_space").unwrap().trim() == "0" {
        anyfork_tests::skipped("it takes a kernel that randomizes address layouts");
    } else {
        assert_eq!(stack(below.pid()), stack(template.pid()));
        assert_ne!(stack(fresh.pid()), stack(template.pid()));
    }
    drop((template, below));
    assert_eq!(state::<S>(&fresh), "a,b,below");
}
