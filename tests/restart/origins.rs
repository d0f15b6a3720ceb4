//! Restarts of templates that come from others, from an exec, from an interpreter.

use crate::{by_hand, kill, load, said, written};
use anyfork::{ErrorKind, NO_ARGS, Process, Python, Restarts, Template};
use anyfork_tests::{all_end_soon, answer, children};
use std::fs;

/// One below another.
fn two(restarts: Restarts, words: &str) -> [Template; 2] {
    let upper = Process::new().restarts(restarts).arg("upper").call(load, [words]).template().unwrap();
    let lower = upper.fork().restarts(restarts).arg("lower").template().unwrap();
    [upper, lower]
}

#[test]
fn a_template_comes_back_from_what_its_origin_is_by_then() {
    let words = written("words", "old");
    let [upper, lower] = two(Restarts::by_hand(), &words);
    fs::write(&*words, "new").unwrap();
    lower.restart().unwrap();
    assert_eq!(said(lower.fork()), "old upper lower");
    upper.restart().unwrap();
    assert_eq!(said(lower.fork()), "old upper lower");
    lower.restart().unwrap();
    assert_eq!(said(lower.fork()), "new upper lower");
}

#[test]
fn it_does_not_come_back_from_an_origin_that_is_gone() {
    let words = written("words", "words");
    let [upper, lower] = two(Restarts::by_hand(), &words);
    kill(&upper);
    let error = lower.restart().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TemplateGone);
    assert_eq!(
        error.to_string(),
        "restart a template: it was forked from another template: fork: the template is gone"
    );
    assert_eq!(said(lower.fork()), "words upper lower");
    upper.restart().unwrap();
    lower.restart().unwrap();
    drop(upper);
    let error = lower.restart().unwrap_err();
    assert_eq!(
        error.to_string(),
        "restart a template: it was forked from another template: fork: the template was dropped"
    );
    assert_eq!(said(lower.fork()), "words upper lower");
}

#[test]
fn all_that_were_killed_come_back_by_themselves() {
    let words = written("words", "words");
    let [upper, lower] = two(Restarts::automatic(), &words);
    kill(&upper);
    kill(&lower);
    assert_eq!(said(lower.fork()), "words upper lower");
    assert!(children(upper.pid()).contains(&lower.pid()));
}

#[test]
fn a_fresh_exec_is_one_again() {
    let template = Process::exec().restarts(Restarts::by_hand()).arg("inherited").template().unwrap();
    let first = template.pid();
    template.restart().unwrap();
    all_end_soon(&[first]);
    assert_eq!(said(template.fork()), " inherited");
}

#[test]
fn python_loads_modules_as_they_are_then() {
    let directory = written("mod.py", "def tell(socket): socket.sendall(b'old')");
    let template = Python::new("python3").restarts(Restarts::by_hand()).import_from(&*directory).template().unwrap();
    let tell = |template: &Template<Python>| answer(&template.fork().blocking_socket(true).run("mod.tell").unwrap());
    // Of another length, as Python looks at that to see whether what it has compiled is up to date.
    fs::write(&*directory, "def tell(socket): socket.sendall(b'newer')").unwrap();
    assert_eq!(tell(&template), "old");
    template.restart().unwrap();
    assert_eq!(tell(&template), "newer");
}

#[test]
fn an_interpreter_of_a_template_is_started_by_what_that_is_by_then() {
    let starter = by_hand().template().unwrap();
    let python = Python::from_command(starter.command("python3")).restarts(Restarts::automatic());
    let python =
        python.eval("def pid(socket): import os; socket.sendall(b'%d' % os.getppid())", NO_ARGS).template().unwrap();
    assert_eq!(children(starter.pid()), [python.pid()]);
    starter.restart().unwrap();
    python.restart().unwrap();
    assert_eq!(children(starter.pid()), [python.pid()]);
    let worker = python.fork().blocking_socket(true).run("pid").unwrap();
    assert_eq!(answer(&worker), python.pid().to_string());
}
