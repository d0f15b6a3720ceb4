//! The end of the program is the end of its templates, and of what is bound to it. The others go on. And what its processes write to standard output.

use anyfork::Binds;
use anyfork_conformance::Subject;
use anyfork_tests::{Host, LONG, Scratch, all_end_soon, lives, signal, stop, within};
use rustix::process::Signal;

pub(crate) fn host<S: Subject>(scenario: &str, witness: &str) -> Host {
    Host::start(Host::command(env!("CARGO_BIN_EXE_conformance-host"), &[scenario, S::NAME, witness]))
}

fn ends_with_its_program<S: Subject>(stop_templates: bool) {
    let witness = Scratch::new("owner");
    let mut host = host::<S>("family", &witness);
    host.fact("ready");
    let (mut ends, free) = (host.numbers("templates"), host.numbers("free"));
    if stop_templates {
        ends.iter().for_each(|pid| stop(*pid));
    }
    ends.push(host.default_template());
    assert!(ends.iter().chain(&free).all(|pid| lives(*pid)));
    host.kill();
    all_end_soon(&ends);
    for number in 0..free.len() {
        let path = format!("{}.{number}", &*witness);
        let text = within(LONG, "a worker reads end-of-file", || std::fs::read_to_string(&path).ok());
        assert_eq!(text, "eof ");
    }
    assert!(free.iter().all(|pid| lives(*pid)), "they do not end with the program");
}

pub(crate) fn a_killed_program_takes_its_templates_along_and_workers_go_on<S: Subject>() {
    ends_with_its_program::<S>(false);
}

pub(crate) fn a_killed_program_takes_stopped_templates_along<S: Subject>() {
    ends_with_its_program::<S>(true);
}

pub(crate) fn a_killed_program_takes_bound_workers_along<S: Subject<Server: Binds>>() {
    let mut host = host::<S>("bound", "");
    host.fact("ready");
    let mut ends = host.numbers("bound");
    ends.push(host.number("keeping"));
    assert_eq!(ends.len(), 6);
    assert!(ends.iter().all(|pid| lives(*pid)), "a template that was dropped stays as long as somebody is bound to it");
    host.kill();
    all_end_soon(&ends);
}

/// Who is in the midst of a preparation: in a new process, and in a fork of a template.
pub(crate) fn preparing<S: Subject>() -> (Host, Scratch, [u32; 2]) {
    let witness = Scratch::new("preparing");
    let mut host = host::<S>("preparing", &witness);
    host.fact("ready");
    let pids = [0, 1].map(|number| {
        let path = format!("{}.{number}", &*witness);
        let text = within(LONG, "a preparation begins", || std::fs::read_to_string(&path).ok());
        text.parse().unwrap()
    });
    assert!(pids.iter().all(|pid| lives(*pid)));
    (host, witness, pids)
}

pub(crate) fn a_killed_program_ends_preparations<S: Subject>() {
    let (mut host, _witness, pids) = preparing::<S>();
    host.kill();
    all_end_soon(&pids);
}

/// Though it holds their sockets.
pub(crate) fn a_child_of_the_killed_program_keeps_no_template<S: Subject>() {
    let witness = Scratch::new("held");
    let mut host = host::<S>("family-and-child", &witness);
    host.fact("ready");
    let (child, templates) = (host.number("child"), host.numbers("templates"));
    host.kill();
    all_end_soon(&templates);
    assert!(lives(child), "it should have held all sockets open until now");
}

pub(crate) fn an_ordinary_end_of_the_program_is_an_end_too<S: Subject>() {
    let witness = Scratch::new("ordinary");
    let mut host = host::<S>("family", &witness);
    host.fact("ready");
    let (mut ends, free) = (host.numbers("templates"), host.numbers("free"));
    ends.push(host.default_template());
    host.go();
    host.finish();
    all_end_soon(&ends);
    assert!(free.iter().all(|pid| lives(*pid)));
    free.into_iter().for_each(|pid| signal(pid, Signal::KILL));
}

pub(crate) fn what_a_template_has_half_written_comes_out_once<S: Subject>() {
    let mut host = host::<S>("half-written", "");
    host.finish();
    let count = |text| host.output().matches(text).count();
    assert_eq!([count("[template]"), count("[below]"), count("[worker]")], [1, 1, 6], "{}", host.output());
    let errors = host.errors();
    assert_eq!(errors.matches("this message is on purpose").count(), 2, "{errors}");
}
