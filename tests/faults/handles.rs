//! Handles that are forgotten, dropped while somebody waits, or made by a thread that has ended.

use super::stay;
use anyfork::{Command, ErrorKind, Process};
use anyfork_tests::{LONG, Scratch, all_end_soon, host, lives, within};
use rustix::process::Signal;
use std::time::{Duration, Instant};

#[test]
fn what_is_forgotten_ends_with_the_program() {
    let witness = Scratch::new("preparing");
    let mut host = host!("handles", "forgotten", &witness);
    host.fact("look");
    within(LONG, "the preparation begins", || std::fs::read(&*witness).ok());
    within(LONG, "the dead are waited for", || host.zombies().is_empty().then_some(()));
    let family = host.family();
    assert!(family.len() > 5, "{family:?}");
    host.kill();
    // The worker reads the end of its socket.
    all_end_soon(&family);
}

#[test]
fn a_thread_that_ends_is_not_the_end_of_what_it_has_made() {
    let mut host = host!("handles", "of-an-ended-thread");
    host.fact("kill-it");
    let processes = host.numbers("processes");
    assert!(processes.iter().all(|pid| lives(*pid)));
    host.kill();
    all_end_soon(&processes);
}

/// Its end is told to the one that waits.
#[test]
fn a_worker_that_is_dropped_while_another_thread_waits_for_it_is_killed() {
    let template = Process::new().template().unwrap();
    let worker = template.fork().kill_on_drop(true).run(stay).unwrap();
    let exited = worker.exited();
    let waiting = std::thread::spawn(move || exited.wait());
    std::thread::sleep(Duration::from_millis(20));
    assert!(!waiting.is_finished());
    let begin = Instant::now();
    drop(worker);
    assert_eq!(waiting.join().unwrap().unwrap().signal(), Some(Signal::KILL.as_raw()));
    assert!(begin.elapsed() < LONG);
}

/// All the same if its template is dropped first, or the default template has to adopt it.
#[test]
fn a_template_that_is_dropped_while_threads_wait_disturbs_none_of_them() {
    let template = Process::new().template().unwrap();
    let workers: Vec<_> = (0..8).map(|_| template.fork().run(stay).unwrap()).collect();
    let starting = template.fork().call(never_ready, anyfork::NO_ARGS).deadline(Duration::from_millis(300)).start(stay);
    let sockets: Vec<_> = workers.iter().map(|worker| worker.socket().try_clone().unwrap()).collect();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = workers.iter().map(|worker| scope.spawn(|| worker.wait())).collect();
        let starting = scope.spawn(|| starting.wait().map(|worker| worker.pid()));
        std::thread::sleep(Duration::from_millis(20));
        drop(template);
        for (code, mut socket) in (1..).zip(&sockets) {
            std::io::Write::write_all(&mut socket, &[code]).unwrap();
        }
        for (code, waiting) in (1..).zip(waiting) {
            assert_eq!(waiting.join().unwrap().unwrap().code(), Some(code));
        }
        assert_eq!(starting.join().unwrap().unwrap_err().kind(), ErrorKind::Deadline);
    });
}

#[anyfork::entry]
fn never_ready() {
    std::thread::sleep(Duration::from_secs(60));
}

/// Whoever of several handles is the last closes the descriptors, and none closes those of others.
#[test]
fn handles_of_one_process_may_be_dropped_in_any_order() {
    for round in 0..6 {
        let worker = Process::new().kill_on_drop(true).run(stay).unwrap();
        let program = Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap();
        let mut all: Vec<Box<dyn Send>> = Vec::new();
        all.push(Box::new((worker.exited(), worker.exited())));
        all.push(Box::new(program.start_kill_tree()));
        let (worker_pid, program_pid) = (worker.pid(), program.id());
        all.push(Box::new(worker));
        all.push(Box::new(program));
        all.rotate_left(round % 4);
        if round > 3 {
            all.reverse();
        }
        let others: Vec<_> = (0..20).map(|_| std::io::pipe().unwrap()).collect();
        let had: Vec<_> = others.iter().map(|(reader, _)| anyfork_tests::identity(reader)).collect();
        all.into_iter().for_each(drop);
        all_end_soon(&[worker_pid, program_pid]);
        let has: Vec<_> = others.iter().map(|(reader, _)| anyfork_tests::identity(reader)).collect();
        assert_eq!(has, had);
    }
}
