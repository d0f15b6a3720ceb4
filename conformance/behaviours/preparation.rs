//! Steps before the function is run: those that fail, and what is told of them. A process that could not be prepared is gone, the template lives.

use anyfork::{Error, ErrorKind, NO_ARGS, Template};
use anyfork_conformance::{Evaluator, Module, Subject, TRACEBACK, end, octets, run, text, written};
use anyfork_tests::{LONG, SOON, Scratch, all_end_soon, children, lives, wait_until, within};
use std::io::ErrorKind as Io;
use std::time::{Duration, Instant};

fn check(error: &Error, kind: ErrorKind, parts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    parts.iter().for_each(|part| assert!(error.to_string().contains(part), "no {part:?} in: {error}"));
}

/// After all that went wrong: no process stayed, and the next one is as it should be.
fn works<S: Subject>(template: &Template<S::Server>) {
    assert!(wait_until(LONG, || children(template.pid()).is_empty()), "a process stayed");
    let worker = run::<S>(template.fork().call(S::name("prepare"), ["alive"]), "state");
    assert_eq!(text(&worker), "alive");
    end::<S>(&worker);
}

pub(crate) fn a_call_that_fails_is_told<S: Subject>() {
    let template = S::template();
    let message = "as it should: ä";
    for process in [S::process(), template.fork()] {
        let error = process.call(S::name("fail_preparation"), [message]).run(S::name("state")).unwrap_err();
        check(&error, ErrorKind::Preparation, &[&S::name("fail_preparation"), message]);
    }
    let error = template.fork().call(S::name("fail_preparation"), [message]).template().unwrap_err();
    check(&error, ErrorKind::Preparation, &[message]);
    works::<S>(&template);
}

pub(crate) fn the_first_of_several_errors_is_told<S: Subject>() {
    let template = S::template();
    let process = template.fork().call(S::name("fail_preparation"), ["first"]);
    let process = process.call(S::name("fail_preparation"), ["second"]).arg("x");
    check(&process.run("nowhere").unwrap_err(), ErrorKind::Preparation, &["first"]);
    let error = template.fork().name("a\0b").call("nowhere", NO_ARGS).template().unwrap_err();
    check(&error, ErrorKind::InvalidInput, &["name"]);
    works::<S>(&template);
}

pub(crate) fn nothing_is_called_after_a_failure<S: Subject>() {
    let witness = Scratch::new("called");
    let template = S::template();
    let process = template.fork().call(S::name("fail_preparation"), ["first"]);
    let process = process.call(S::name("touch_in_preparation"), [&*witness]);
    check(&process.template().unwrap_err(), ErrorKind::Preparation, &["first"]);
    assert!(std::fs::exists(&*witness).is_ok_and(|is_there| !is_there));
    works::<S>(&template);
}

pub(crate) fn an_unknown_function_is_told<S: Subject>() {
    let template = S::template();
    let unknown = [&S::name("nowhere"), "Nowhere::nowhere", "nowhere", "", "x\0y\n", "ä::ö"];
    for name in unknown {
        check(&template.fork().run(name).unwrap_err(), ErrorKind::UnknownEntry, &[name]);
        check(&template.fork().call(name, ["x"]).template().unwrap_err(), ErrorKind::UnknownEntry, &[name]);
    }
    check(&S::process().run(S::name("nowhere")).unwrap_err(), ErrorKind::UnknownEntry, &["nowhere"]);
    check(&template.fork().run("n".repeat(5000)).unwrap_err(), ErrorKind::InvalidInput, &["4096"]);
    works::<S>(&template);
}

pub(crate) fn a_missing_module_is_told<S: Subject>() {
    let template = S::template();
    let error = S::load(template.fork(), Module::Missing).template().unwrap_err();
    check(&error, ErrorKind::Load, &["ound"]);
    assert_eq!(error.io_kind(), Io::NotFound);
    let error = S::load(S::process(), Module::Missing).run(S::name("state")).unwrap_err();
    check(&error, ErrorKind::Load, &["ound"]);
    works::<S>(&template);
}

pub(crate) fn a_module_that_fails_is_told<S: Subject>() {
    let template = S::template();
    for module in [Module::Broken, Module::Dependent] {
        let error = S::load(template.fork(), module).template().unwrap_err();
        check(&error, ErrorKind::Load, &[]);
        assert_ne!(error.io_kind(), Io::NotFound, "the module itself was found: {error}");
        let text = error.to_string().to_lowercase();
        let reasons = ["broken on purpose", "nowhere", "invalid elf header", "file too short"];
        assert!(reasons.iter().any(|reason| text.contains(reason)), "{text}");
    }
    works::<S>(&template);
}

/// `exit` is an exception in Python, and the end elsewhere.
pub(crate) fn an_exit_in_the_preparation_is_an_error<S: Subject>() {
    let template = S::template();
    for process in [S::process(), template.fork()] {
        let error = process.call(S::name("exit_in_preparation"), [3]).run(S::name("state")).unwrap_err();
        let kind = if S::NAME == "python" { ErrorKind::Preparation } else { ErrorKind::ProcessGone };
        check(&error, kind, &[]);
    }
    let error = template.fork().call(S::name("exit_in_preparation"), [0]).template();
    assert!(error.is_err(), "an exit that looks like a success is none");
    works::<S>(&template);
}

pub(crate) fn large_arguments_reach_a_call<S: Subject>() {
    let large = octets(5 << 20);
    let process = S::template().fork().call(S::name("prepare"), [&large[..], b"", b"x\0y"]);
    let worker = run::<S>(process, "state");
    assert!(written(worker.socket()) == [&large[..], b",,x\0y"].concat());
}

pub(crate) fn a_preparation_begins_when_it_is_ordered<S: Subject>() {
    let witness = Scratch::new("begins");
    let template = S::template();
    let process = template.fork().call(S::name("touch_in_preparation"), [&*witness]);
    within(LONG, "the preparation leaves a sign", || std::fs::read(&*witness).ok());
    drop(process);
    works::<S>(&template);
}

pub(crate) fn a_preparation_that_hangs_ends_when_it_is_given_up<S: Subject>() {
    let template = S::template();
    for process in [S::process(), template.fork()] {
        let witness = Scratch::new("hangs");
        let process = process.call(S::name("prepare_for_ever"), [&*witness]);
        let text = within(LONG, "the preparation begins", || std::fs::read_to_string(&*witness).ok());
        let pid: u32 = text.parse().unwrap();
        assert!(lives(pid));
        drop(process);
        all_end_soon(&[pid]);
    }
    works::<S>(&template);
}

pub(crate) fn a_preparation_that_hangs_ends_with_its_deadline<S: Subject>() {
    let witness = Scratch::new("deadline");
    let template = S::template();
    let process = template.fork().call(S::name("prepare_for_ever"), [&*witness]);
    let text = within(LONG, "the preparation begins", || std::fs::read_to_string(&*witness).ok());
    let begin = Instant::now();
    let error = process.deadline(Duration::from_millis(100)).template().unwrap_err();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    check(&error, ErrorKind::Deadline, &[]);
    all_end_soon(&[text.parse().unwrap()]);
    works::<S>(&template);
}

pub(crate) fn code_is_evaluated_with_its_arguments<E: Evaluator>() {
    let large = octets(100_000);
    let template = E::process().eval(E::KEEP, [&b"one"[..], b"", b"a\0b\xff", &large]).template().unwrap();
    let kept = [b"one,,a\0b\xff,", &large[..]].concat();
    assert!(written(run::<E>(template.fork(), "state").socket()) == kept);
    let worker = run::<E>(template.fork().eval(E::KEEP, ["more"]), "state");
    assert!(written(worker.socket()) == [&kept[..], b",more"].concat());
    assert!(written(run::<E>(template.fork(), "state").socket()) == kept, "a sibling saw it");
}

pub(crate) fn a_function_can_be_defined_and_run_by_its_bare_name<E: Evaluator>() {
    let template = E::process().eval(E::DEFINE, ["x", "y"]).template().unwrap();
    let worker = template.fork().blocking_socket(true).run("from_eval").unwrap();
    assert_eq!(text(&worker), "x,y");
    let worker = template.fork().eval(E::DEFINE, ["z"]).blocking_socket(true).run("from_eval").unwrap();
    assert_eq!(text(&worker), "z");
}

pub(crate) fn code_that_fails_is_told_with_its_place<E: Evaluator>() {
    let template = E::template();
    for process in [E::process(), template.fork()] {
        let error = process.eval(E::RAISE, ["as it should: ä"]).template().unwrap_err();
        check(&error, ErrorKind::Preparation, &["eval", TRACEBACK, "as it should: ä"]);
    }
    let error = template.fork().eval(E::NO_SYNTAX, NO_ARGS).template().unwrap_err();
    check(&error, ErrorKind::Preparation, &["eval", "yntax"]);
    let error = template.fork().eval(E::EXIT, NO_ARGS).template().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Preparation | ErrorKind::ProcessGone), "{error}");
    works::<E>(&template);
}
