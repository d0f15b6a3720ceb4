//! Preparations that end their process in every way, leave a lock locked, or are interrupted all the time; and hooks that panic in forks.

use anyfork::{Error, ErrorKind, Inputs, NO_ARGS, Process};
use anyfork_tests::{LONG, SOON, Scratch, children, end_by, host, wait_until};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

#[anyfork::entry]
fn end(way: String) -> Result<(), String> {
    end_by(&way)
}

const GONE: ErrorKind = ErrorKind::ProcessGone;

/// What each way is told as. How a process has ended is told if its template hears of that in time.
const WAYS: [(&str, ErrorKind, &[&str]); 8] = [
    ("panic", ErrorKind::Preparation, &["on purpose"]),
    ("error", ErrorKind::Preparation, &["an error on purpose"]),
    ("abort", GONE, &["signal: 6"]),
    ("overflow", GONE, &["signal: 11", "signal: 6"]),
    ("exit", GONE, &["exit status: 7"]),
    ("_exit", GONE, &["exit status: 8"]),
    ("quick_exit", GONE, &["exit status: 9"]),
    ("killed", GONE, &["signal: 9"]),
];

#[test]
fn however_a_preparation_ends_its_process_that_is_one_error() {
    let template = Process::new().template().unwrap();
    for (way, kind, texts) in WAYS {
        let prepared = || template.fork().call(end, [way]);
        let errors: [Error; 2] = [
            prepared().run(super::nothing).map(|worker| worker.pid()).unwrap_err(),
            prepared().template().map(|below| below.pid()).unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            let is_late = kind == GONE && text.ends_with("ended before it was ready");
            assert_eq!(error.kind(), kind, "{way}: {error}");
            assert!(is_late || texts.iter().any(|part| text.contains(part)), "{way}: {error}");
            assert!(text.contains("faults::preparations::end"), "{way}: {error}");
        }
        assert!(wait_until(SOON, || children(template.pid()).is_empty()), "{way}");
    }
    assert!(template.fork().run(super::nothing).unwrap().wait().unwrap().success());
}

static LOCK: Mutex<u32> = Mutex::new(0);

/// As a thread would that was not copied.
#[anyfork::entry]
fn leave_it_locked() {
    std::mem::forget(LOCK.lock());
}

#[anyfork::entry]
fn lock() {
    drop(LOCK.lock());
}

#[test]
fn a_process_that_is_stuck_at_a_lock_of_its_template_ends_by_its_deadline() {
    let template = Process::new().call(leave_it_locked, NO_ARGS).template().unwrap();
    let begin = Instant::now();
    let stuck = template.fork().call(lock, NO_ARGS).deadline(Duration::from_millis(200));
    let error = stuck.run(super::nothing).map(|worker| worker.pid()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    assert!(
        error.to_string().starts_with("start faults::nothing, prepared by faults::preparations::lock: "),
        "{error}"
    );
    assert!(begin.elapsed() < LONG);
    let worker = template.fork().run(lock).unwrap();
    assert_eq!(worker.wait_timeout(Duration::from_millis(20)).unwrap(), None);
    worker.kill().unwrap();
    assert_eq!(worker.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert!(wait_until(SOON, || children(template.pid()).is_empty()));
    assert!(template.fork().run(super::nothing).unwrap().wait().unwrap().success());
}

static TICKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn tick(_: libc::c_int) {
    TICKS.fetch_add(1, Ordering::Relaxed);
}

/// From now on each system call that waits is interrupted.
#[anyfork::entry]
fn interrupt_all() {
    let tick_at = libc::timeval { tv_sec: 0, tv_usec: 500 };
    let timer = libc::itimerval { it_interval: tick_at, it_value: tick_at };
    // SAFETY: an action of zeros is a valid one; the handler touches an atomic alone; an initialised timer.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = tick as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()), 0);
        assert_eq!(libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()), 0);
    }
}

/// Whether all octets have come, and between so many interruptions.
#[anyfork::entry]
fn check(rest: Inputs) -> ExitCode {
    let lengths = rest.into_iter().map(|input| match input {
        anyfork::Input::Arg(octets) if octets.iter().all(|octet| *octet == b'x') => octets.len(),
        _ => 0,
    });
    // Those that its template has come first.
    let is_whole = [1, 2].map(|times| times * COUNT * LENGTH).contains(&lengths.sum());
    ExitCode::from(if is_whole && TICKS.load(Ordering::Relaxed) > 10 { 0 } else { 1 })
}

const COUNT: usize = 40;
const LENGTH: usize = 50_000;

fn with_arguments(mut process: Process) -> Process {
    let argument = "x".repeat(LENGTH);
    for _ in 0..COUNT {
        process = process.arg(&*argument);
        // So that it waits for the next.
        std::thread::sleep(Duration::from_millis(1));
    }
    process
}

#[test]
fn orders_arrive_whole_in_a_process_that_is_interrupted_all_the_time() {
    let process = || Process::new().call(interrupt_all, NO_ARGS);
    assert_eq!(with_arguments(process()).run(check).unwrap().wait().unwrap().code(), Some(0));
    // A template hears no signals.
    let template = with_arguments(process()).template().unwrap();
    for _ in 0..20 {
        assert_eq!(template.fork().run(check).unwrap().wait().unwrap().code(), Some(0));
    }
    let prepared = with_arguments(template.fork().call(interrupt_all, NO_ARGS));
    assert_eq!(prepared.run(check).unwrap().wait().unwrap().code(), Some(0));
}

/// In a program of its own, as hooks are called in all forks of one.
fn hooks_panic(origin: &str) {
    let witness = Scratch::new("hooks");
    let mut host = host!("hooks", origin, &witness);
    for key in ["first", "prepared", "spare", "next", "another"] {
        let error = host.fact(key);
        assert!(error.starts_with("Preparation ") && error.contains("a hook on purpose"), "{key}: {error}");
    }
    host.fact("done");
    assert!(wait_until(LONG, || host.zombies().is_empty()));
    assert_eq!(host.family().len(), 3, "the program and two templates");
    host.go();
    let forks = host.number("forks");
    // Each start is a fork, and may have four spares forked.
    assert!((5..=5 + 4 * 4).contains(&forks), "{forks} forks");
    host.finish();
}

#[test]
fn a_hook_that_panics_is_the_error_of_that_fork_and_no_spare_waits() {
    hooks_panic("nested");
}

#[test]
fn a_hook_that_panics_is_the_error_of_that_fork_below_a_template_made_here_too() {
    hooks_panic("here");
}
