//! Programs whose file was replaced, that have no `/proc`, or not all of the standard descriptors.

use super::root;
use anyfork_tests::{Host, Scratch, descriptors, host, identity, names_processes, within};
use std::fs;

#[test]
fn a_program_whose_binary_was_replaced_starts_processes_of_its_own_build() {
    let copy = Scratch::new("replaced");
    fs::copy(env!("CARGO_BIN_EXE_host"), &*copy).unwrap();
    let mut host = Host::start(Host::command(&copy, &["purity", "recursive", "exec"]));
    let other = Scratch::new("other");
    fs::copy("/bin/false", &*other).unwrap();
    fs::rename(&*other, &*copy).unwrap();
    assert_eq!(host.number("code"), 3);
    host.fact("done");
    host.go();
    host.finish();
}

#[test]
#[cfg_attr(
    any(anyfork_no_close_range, anyfork_no_unshare),
    ignore = "descriptors and threads are looked for in /proc then"
)]
fn without_proc_what_needs_it_is_an_error_and_all_else_works() {
    if !root() {
        return;
    }
    let mut host = host!("surroundings", "no-proc");
    for key in ["worker", "template", "program"] {
        let error = host.fact(key);
        assert!(
            error.starts_with("System exec /proc/self/exe (without /proc, call anyfork::early()"),
            "{key}: {error}"
        );
    }
    assert_eq!((host.fact("here"), host.fact("early")), ("works".into(), "works".into()));
    let error = host.fact("exec");
    assert!(error.contains("exec \"/proc/self/exe\""), "{error}");
    no_tree_is_killed(&mut host, "/proc: ");
    host.finish();
    within(anyfork_tests::LONG, "nothing is left", || host.family().is_empty().then_some(()));
}

fn no_tree_is_killed(host: &mut Host, why: &str) {
    // Where only /proc could tell whose a pidfd is, none is used here.
    let why = if names_processes() { why } else { "there are no pidfds" };
    let error = host.fact("tree");
    assert!(error.starts_with(&format!("Unsupported kill_tree: {why}")), "{error}");
}

/// The program is number 1 of a namespace, and `/proc` shows others under the numbers that its processes have.
#[test]
fn with_the_proc_of_another_namespace_nobody_is_taken_for_another() {
    if !root() {
        return;
    }
    let mut host = host!("surroundings", "foreign-proc");
    assert_eq!(host.fact("new"), "works");
    no_tree_is_killed(&mut host, "/proc: it is that of another namespace of process numbers");
    host.finish();
}

/// In each combination, as what is closed first decides which numbers the next files get.
fn are_null_where_they_were_closed(origin: &str) {
    let null = identity(fs::File::open("/dev/null").unwrap());
    for closed in ["", "0", "1", "2", "01", "02", "12"] {
        let mut host = host!("descriptors", "closed", origin, closed);
        host.fact("ready");
        let had = descriptors(host.pid());
        let mut expected: Vec<String> = (0..=2)
            .map(|number| if closed.contains(&number.to_string()) { null.clone() } else { had[&number].clone() })
            .collect();
        let has = descriptors(host.number("worker"));
        assert!((0..=2).all(|number| has[&number] == expected[number as usize]), "{closed}: {has:?}, {expected:?}");
        expected.push(host.fact("socket"));
        expected.sort();
        let mut all: Vec<String> = has.into_values().collect();
        all.sort();
        assert_eq!(all, expected, "{closed} closed");
        host.go();
        assert_eq!(host.fact("code"), "Some(3)");
        host.finish();
    }
}

#[test]
fn standard_descriptors_that_are_closed_are_null_in_workers() {
    are_null_where_they_were_closed("default");
}

#[test]
fn standard_descriptors_that_are_closed_are_null_in_a_fresh_exec() {
    are_null_where_they_were_closed("exec");
}

#[test]
fn standard_descriptors_that_are_closed_are_null_below_an_early_template() {
    are_null_where_they_were_closed("early");
}

#[test]
fn standard_descriptors_that_are_closed_are_null_below_a_template_made_here() {
    are_null_where_they_were_closed("here");
}
