//! `restart`: a template that is replaced while it is used, and comes back when it is killed.

use crate::support::{number_after, run};

#[test]
fn the_words_are_those_of_the_last_restart_and_no_request_fails() {
    let lines = run("restart", &[]);
    assert!(number_after(&lines[1], "replaced while ") >= 10, "{lines:#?}");
    let broken = "broken:    fork: the template could not be restarted (call restart::load: ";
    assert!(lines[4].starts_with(broken) && lines[4].contains("and is again after "), "{lines:#?}");
    let [first, _, restarted, killed, _, mended, fresh] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(first, "first:     fork: 1. to divide");
    assert_eq!(restarted, "restarted: fork: 2. to make a process");
    assert_eq!(killed, "killed:    fork: 2. to make a process");
    assert_eq!(mended, "mended:    fork: 3. what is left of it");
    assert_eq!(fresh, "a fresh template has its words elsewhere: true");
}
