//! More starts at once than the template's socket, or the limit of descriptors, has room for.

use anyfork::Process;
use anyfork_tests::{Host, Where, host, signal, stop};
use rustix::process::Signal;
use std::time::Duration;

#[anyfork::entry]
fn code(code: u8) -> std::process::ExitCode {
    code.into()
}

/// Ten thousand, or as many as there may be descriptors for.
fn thousands(place: &str) {
    let mut host = host!("awaiting", "flood", place);
    let flood = host.number("flood");
    assert!(flood > 4000, "{flood}: the limit of descriptors is too low for this test");
    let descriptors = host.number("descriptors");
    assert_eq!(host.number("right"), flood);
    assert_eq!(host.fact_within(Duration::from_secs(100), "wrong"), "none");
    let kilobytes = host.number("kilobytes");
    println!("{flood} starts, {kilobytes} kB, {descriptors} descriptors");
    assert!(kilobytes < 6 * flood, "{kilobytes} kB");
    // One for each that is awaited, and one for each whose order fits into the template's socket.
    assert!(descriptors < flood + 1000, "{descriptors} descriptors");
    host.finish();
}

#[test]
fn thousands_of_starts_at_once_succeed_in_one_thread_of_tokio() {
    thousands("tokio_current_thread");
}

#[test]
fn thousands_of_starts_at_once_succeed_in_threads_of_tokio() {
    thousands("tokio_multi_thread");
}

#[test]
fn thousands_of_starts_at_once_succeed_in_async_io() {
    thousands("async_io");
}

/// Each start has ended well, or for want of descriptors; some have ended well.
fn check_starved(host: &mut Host, place: &str) {
    let came_to = host.fact_within(Duration::from_secs(60), "came-to");
    let mut total = 0;
    for count in came_to.split(' ') {
        let (what, count) = count.split_once('=').unwrap();
        assert!(what == "started" || what == format!("System-{}", libc::EMFILE), "{place}: {came_to}");
        total += count.parse::<u32>().unwrap();
    }
    assert!(total == 1000 && came_to.contains("started"), "{place}: {came_to}");
    assert_eq!((host.number("with-room"), host.number("lifted")), (20, 1000), "{place}");
    host.finish();
}

#[test]
fn a_thousand_starts_with_few_descriptors_end_well_or_say_so() {
    for (place, _) in Where::ALL {
        check_starved(&mut host!("awaiting", "starved", place), place);
    }
    check_starved(&mut host!("awaiting", "starved-blocking"), "blocking");
}

/// How often this thread has gone to sleep.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

/// Each millisecond that one slept for nothing was a worker's whole life: 1,000 at once took seven times as long as they do.
#[test]
fn queued_starts_that_were_sent_by_others_and_answered_are_not_waited_for() {
    let template = Process::new().template().unwrap();
    stop(template.pid());
    let mut starting: Vec<_> = (0..500_u32).map(|_| template.fork().arg(0_u8).start(code)).collect();
    signal(template.pid(), Signal::CONT);
    // By then there is room for all the others.
    starting.drain(..300).for_each(|starting| drop(starting.wait().unwrap()));
    std::thread::sleep(Duration::from_secs(1));
    let before = sleeps();
    starting.into_iter().for_each(|starting| drop(starting.wait().unwrap()));
    assert!(sleeps() - before < 50, "{} sleeps for 200 starts", sleeps() - before);
}

#[test]
fn queued_starts_that_are_dropped_never_run_and_the_others_do() {
    for (place, _) in Where::ALL {
        let mut host = host!("awaiting", "queued", place);
        for key in ["unpolled", "polled"] {
            assert_eq!(host.fact(key), "as expected", "{place}, {key}");
            let first = host.number(&format!("{key}-first"));
            assert!((50..650).contains(&first), "{place}: the {first}th was the first to be queued");
        }
        host.finish();
    }
}

#[test]
fn queued_starts_fail_when_their_template_is_killed() {
    for (place, _) in Where::ALL {
        let mut host = host!("awaiting", "killed", place);
        for key in ["unpolled", "polled"] {
            assert_eq!(host.number(key), 700, "{place}, {key}");
            assert_eq!(host.number(&format!("{key}-ran")), 0, "{place}, {key}");
        }
        host.finish();
    }
}

#[test]
fn sixty_four_threads_fork_from_one_template_at_once() {
    let template = Process::new().template().unwrap();
    std::thread::scope(|scope| {
        let one = |thread: i32| {
            let workers = (0..10).map(|_| template.fork().arg(thread).run(code).unwrap()).collect::<Vec<_>>();
            workers.iter().all(|worker| worker.wait().unwrap().code() == Some(thread))
        };
        let threads: Vec<_> = (0..64).map(|thread| scope.spawn(move || one(thread))).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
}
