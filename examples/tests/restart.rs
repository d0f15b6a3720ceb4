//! `restart`: a template that is replaced while it is used, and comes back when it is killed.

use crate::support::{number_after, run};

#[test]
fn the_words_are_those_of_the_last_restart_and_no_request_fails() {
    let lines = run("restart", &[]);
    assert!(number_after(&lines[1], "replaced while ") >= 10, "{lines:#?}");
    let [first, _, restarted, killed, fresh, broken, as_before] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(first, "first:     fork: to divide");
    assert_eq!(restarted, "restarted: fork: to make a process");
    assert_eq!(killed, "killed:    fork: to make a process");
    assert!(broken.starts_with("broken:    call restart::load: "), "{broken}");
    assert_eq!(as_before, "as before: fork: to make a process");
    assert_eq!(fresh, "a fresh template has its words elsewhere: true");
}
