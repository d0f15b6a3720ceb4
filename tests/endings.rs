//! However a worker ends, that is what is reported; and nothing that belongs to its template runs when it does.

use anyfork_tests::{Scratch, host};

fn ends_truly(origin: &str) {
    let mut host = host!("endings", "ways", origin);
    assert_eq!(host.fact("return"), "0 -1");
    assert_eq!(host.fact("panic"), "101 -1");
    assert_eq!(host.fact("abort"), "-1 6");
    let overflow = host.fact("overflow");
    assert!(matches!(overflow.as_str(), "-1 11" | "-1 6"), "{overflow}");
    assert_eq!(host.fact("exit"), "7 -1");
    assert_eq!(host.fact("_exit"), "8 -1");
    assert_eq!(host.fact("quick_exit"), "9 -1");
    assert_eq!(host.fact("error"), "1 -1");
    assert_eq!(host.fact("killed"), "-1 9");
    host.finish();
    let errors = host.errors();
    assert!(errors.contains("host::endings::end: an error on purpose"), "{errors}");
    assert!(errors.contains("a panic on purpose"), "{errors}");
}

#[test]
fn workers_of_the_default_template_end_truly() {
    ends_truly("default");
}

#[test]
fn workers_of_a_nested_template_end_truly() {
    ends_truly("nested");
}

#[test]
fn workers_from_spares_end_truly() {
    ends_truly("spare");
}

#[test]
fn fresh_execs_end_truly() {
    ends_truly("exec");
}

#[test]
fn workers_of_a_template_made_here_end_truly() {
    ends_truly("here");
}

#[test]
fn exit_handlers_of_the_template_do_not_run_in_workers() {
    let (inherited, own) = (Scratch::new("inherited"), Scratch::new("own"));
    let mut host = host!("endings", "handlers", &inherited, &own);
    assert_eq!(host.fact("codes"), "0 101 7 1 9 0 101 7 1 9");
    host.finish();
    drop(host);
    let ran = std::fs::read_to_string(&*own).unwrap();
    assert_eq!(ran.lines().count(), 2, "each worker's own handler runs once: {ran}");
    assert!(std::fs::read(&*inherited).is_err(), "a handler of the template ran");
}

fn comes_out_once(place: &str) {
    let mut host = host!("endings", "half-written", place);
    host.finish();
    let count = |text| host.output().matches(text).count();
    let counts = [count("[half-rust]"), count("[half-c]"), count("[worker-rust]"), count("[worker-c]")];
    assert_eq!(counts, [1, 1, 5, 5], "{}", host.output());
}

#[test]
fn what_a_preparation_has_half_written_comes_out_once() {
    comes_out_once("call");
}

#[test]
fn what_the_host_has_half_written_comes_out_once() {
    comes_out_once("here");
}

#[test]
fn hooks_run_once_per_fork_before_the_entry() {
    let mut host = host!("endings", "hooks");
    let counts = ["default", "template", "again", "nested", "spare"].map(|key| host.number(key));
    assert_eq!(counts, [1, 2, 2, 3, 2]);
    host.finish();
}
