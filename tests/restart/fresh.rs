//! `Template::fresh`: by a new exec, with nothing shared.

use crate::{by_hand, end, kill, load, said, written};
use anyfork::{ErrorKind, Process, Restarts};
use anyfork_tests::{all_end_soon, skipped};
use std::fs::{self, File};

/// Where the program itself, its heap and its stack begin in a process.
fn layout(pid: u32) -> [u64; 3] {
    let exe = fs::read_link("/proc/self/exe").unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    [exe.to_str().unwrap(), "[heap]", "[stack]"].map(|what| {
        let line = maps.lines().find(|line| line.ends_with(what)).unwrap_or_else(|| panic!("no {what} in {maps}"));
        u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap()
    })
}

#[test]
fn a_fresh_template_has_a_layout_of_its_own() {
    if fs::read_to_string("/proc/sys/kernel/randomize_va_space").unwrap().trim() != "2" {
        return skipped("it takes a kernel that randomizes address layouts");
    }
    let template = by_hand().template().unwrap();
    let sibling = by_hand().template().unwrap();
    assert_eq!(layout(template.pid()), layout(sibling.pid()), "templates share the layout of the default template");
    let fresh = [template.fresh().unwrap(), template.fresh().unwrap()];
    let layouts = [layout(template.pid()), layout(fresh[0].pid()), layout(fresh[1].pid())];
    for part in 0..3 {
        let [a, b, c] = layouts.map(|layout| layout[part]);
        assert!(a != b && b != c && a != c, "{layouts:x?}");
    }
    let again = layout(fresh[0].pid());
    fresh[0].restart().unwrap();
    assert_ne!(layout(fresh[0].pid()), again, "its restarts are fresh too");
}

#[test]
fn a_fresh_template_has_what_all_were_given_that_it_comes_from() {
    let (upper_words, words) = (written("upper", "upper"), written("lower", "+lower"));
    let null = File::open("/dev/null").unwrap();
    let upper = by_hand().arg(1).call(load, [&*upper_words]).fd(&null).template().unwrap();
    let middle = upper.fork().restarts(Restarts::by_hand()).arg(2).template().unwrap();
    let lower = middle.fork().restarts(Restarts::by_hand()).call(load, [&*words]).arg(3).template().unwrap();
    let fresh = lower.fresh().unwrap();
    assert_eq!(said(fresh.fork().arg(4)), said(lower.fork().arg(4)));
    // It needs none of them.
    let pids = [upper.pid(), middle.pid(), lower.pid()];
    drop((upper, middle, lower));
    all_end_soon(&pids);
    assert!(said(fresh.fork()).starts_with("upper+lower 1 "));
    fresh.restart().unwrap();
    assert!(said(fresh.fork()).ends_with(" 2 3"));
}

#[test]
fn a_fresh_template_is_restarted_as_the_first_one_is() {
    let template = Process::exec().restarts(Restarts::automatic()).arg("inherited").template().unwrap();
    let fresh = template.fresh().unwrap();
    kill(&fresh);
    assert_eq!(said(fresh.fork()), " inherited");
    drop(template);
    assert!(end(&fresh.fork().run(crate::nothing).unwrap()).success());
}

#[test]
fn one_below_a_template_without_a_recipe_cannot_be_fresh() {
    let upper = Process::new().template().unwrap();
    let lower = upper.fork().restarts(Restarts::by_hand()).template().unwrap();
    let error = lower.fresh().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("has not kept its recipe"), "{error}");
    lower.restart().unwrap();
}
