//! Signals: what a worker begins with, and whom the terminal's reach.

use anyfork::Process;
use anyfork_conformance::{Subject, end, park, release, run, text};
use anyfork_tests::{lives, signal, status};
use rustix::process::Signal;

fn mask(pid: u32, field: &str) -> u64 {
    u64::from_str_radix(&status(pid, field), 16).unwrap()
}

fn begins_as_it_should<S: Subject>(process: Process<S::Server>) {
    let (worker, _) = park::<S>(process);
    let masks = ["SigBlk", "ShdPnd", "SigPnd", "SigIgn", "SigCgt"].map(|field| mask(worker.pid(), field));
    // The C library keeps two real-time signals for itself, and lets nobody change what they do.
    let masks = masks.map(|mask| mask & !(0b11 << 31));
    assert_eq!(masks, [0, 0, 0, S::IGNORED, S::CAUGHT]);
    release(&worker, 0);
    end::<S>(&worker);
}

pub(crate) fn workers_begin_with_default_signals<S: Subject>() {
    let template = S::template();
    begins_as_it_should::<S>(template.fork());
    begins_as_it_should::<S>(template.fork().template().unwrap().fork());
    begins_as_it_should::<S>(S::process());
}

pub(crate) fn templates_go_on_when_the_terminal_sends_signals<S: Subject>() {
    let template = S::process().call(S::name("prepare"), ["kept"]).template().unwrap();
    for number in [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::TTIN, Signal::HUP, Signal::TERM] {
        signal(template.pid(), number);
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(lives(template.pid()));
    assert_eq!(anyfork_tests::stat(template.pid()).unwrap().state, 'S');
    assert_eq!(text(&run::<S>(template.fork(), "state")), "kept");
    // They are for the workers.
    for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let (worker, _) = park::<S>(template.fork());
        worker.signal(number).unwrap();
        let status = end::<S>(&worker);
        assert!(status.is_none_or(|status| status.signal() == Some(number)), "{status:?}");
    }
}
