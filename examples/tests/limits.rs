//! `limits`: what programs see of what was asked for them.

use crate::support::run;
use landlock::{AccessFs, Ruleset, RulesetAttr};
use std::os::fd::OwnedFd;

/// The rows that every system has.
const EVERYWHERE: [(&str, &str); 12] = [
    ("1 s of CPU time, for an endless loop", "signal: 24 (SIGXCPU)"),
    ("files of 4096 octets, for 10,000", "signal: 25 (SIGXFSZ)"),
    ("nice value 10", "10"),
    ("first to be killed without memory", "1000"),
    ("umask 027", "0027"),
    ("the same file without Landlock", "the secret"),
    ("seccomp: no uname(2)", "uname: cannot get system name: Operation not permitted (exit status: 1)"),
    ("no new privileges", "NoNewPrivs: 1"),
    ("CPU 8000 only", "refused: cpu_affinity: Invalid argument (os error 22)"),
    (
        "a directory that is not there",
        r#"refused: current_dir "/no/such/directory": No such file or directory (os error 2)"#,
    ),
    ("a program that is not there", r#"refused: exec "no-such-program": No such file or directory (os error 2)"#),
    ("a soft limit above the hard one", "refused: rlimit NOFILE: Invalid argument (os error 22)"),
];

/// The rows that a system may refuse: with the name of the step.
const WHERE_ALLOWED: [(&str, &str, &str); 4] = [
    ("CPU 0 only", "Cpus_allowed_list: 0", "refused: cpu_affinity"),
    ("a namespace of users", "user 0", "refused: namespaces"),
    ("and of processes", "process 1", "refused: namespaces"),
    ("and of networks", "devices: lo", "refused: namespaces"),
];

#[test]
fn programs_see_what_was_asked_for() {
    let lines = run("limits", &[]);
    let saw = |asked: &str| {
        let row = lines.iter().find_map(|line| line.strip_prefix(&format!("{asked:<44} ")));
        row.unwrap_or_else(|| panic!("no row {asked:?} in {lines:#?}"))
    };
    for (asked, expected) in EVERYWHERE {
        assert_eq!(saw(asked), expected, "{asked}");
    }
    for (asked, expected, refusal) in WHERE_ALLOWED {
        let saw = saw(asked);
        assert!(saw == expected || saw.starts_with(refusal), "{asked}: {saw}");
    }
    // Who may not change the root has another error.
    assert!(saw("an empty root directory").starts_with("refused: "));
    let allocated = saw("64 MB of addresses, for 256 MB");
    assert!(allocated.starts_with("dd: memory exhausted") && allocated.ends_with("(exit status: 1)"), "{allocated}");
    let opened = saw("descriptors below 4, for two more");
    assert!(opened.starts_with("3 is open ") && opened.contains("Too many open files"), "{opened}");
    // Without Landlock in the kernel the ruleset does nothing.
    let confined = saw("Landlock: only the system's own files");
    let expected = if has_landlock() { "Permission denied (exit status: 1)" } else { "the secret" };
    assert!(confined.ends_with(expected), "{confined}");
    // A heading, a blank line, and these.
    assert_eq!(lines.len(), 2 + EVERYWHERE.len() + WHERE_ALLOWED.len() + 4, "{lines:#?}");
}

/// A ruleset has a descriptor where the kernel has made it.
fn has_landlock() -> bool {
    let ruleset = Ruleset::default().handle_access(AccessFs::Execute).and_then(Ruleset::create);
    Option::<OwnedFd>::from(ruleset.expect("a ruleset")).is_some()
}
