//! `spares`: processes forked in advance.

use crate::support::{Example, run};

#[test]
fn requests_do_not_wait_for_forks_that_were_made_in_advance() {
    let lines = run("spares", &[]);
    let median = |start: &str| -> u64 {
        let line = lines.iter().find_map(|line| line.strip_prefix(start));
        let line = line.unwrap_or_else(|| panic!("no row {start:?} in {lines:#?}"));
        line.split_whitespace().next().and_then(|median| median.parse().ok()).expect("a time")
    };
    assert!(median("in advance") < median("forked then"), "{lines:#?}");
    let waiting = crate::support::number_after(&lines[6], "");
    assert!((2..=8).contains(&waiting), "{lines:#?}");
    assert_eq!(lines.last().map(String::as_str), Some("then 0 do"), "{lines:#?}");
}

#[test]
fn a_killed_program_leaves_none_of_them() {
    let mut example = Example::start("spares", &["16"]);
    example.line_with("forked then");
    crate::support::signal(example.pid(), rustix::process::Signal::KILL);
    // This fails if anybody is there a second later.
    assert_eq!(example.finish().status.code(), None);
}
