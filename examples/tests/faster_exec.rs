//! `faster_exec`: a program with redirected output, and the time that starts take from a big program.

use crate::support::{Example, run};

#[test]
fn output_goes_to_the_file_and_errors_to_the_socket() {
    let lines = run("faster_exec", &["--megabytes", "1", "--starts", "1"]);
    assert_eq!(lines[0], r#"/bin/echo hi: the file has "hi\n", the socket "" (exit status: 0)"#);
    assert!(lines[1].starts_with(r#"/bin/cat /no/such/file: the file has "", the socket "/bin/cat: "#), "{lines:#?}");
    assert!(lines[1].ends_with("(exit status: 1)"), "{lines:#?}");
}

#[test]
fn a_start_with_a_user_does_not_pay_for_the_memory_of_the_program() {
    let lines = run("faster_exec", &["--megabytes", "300", "--starts", "15"]);
    let [std, anyfork] = row(&lines, "uid").map(|time| time.expect("a time"));
    assert!(anyfork < std, "{lines:#?}");
    assert!(row(&lines, "nothing").iter().all(Option::is_some), "{lines:#?}");
    let [std, anyfork] = row(&lines, "setsid");
    assert!(std.is_none() && anyfork.is_some(), "{lines:#?}");
}

/// The times of a row, std's first.
fn row(lines: &[String], name: &str) -> [Option<f64>; 2] {
    let line = lines.iter().find(|line| line.split(' ').next() == Some(name));
    let columns: Vec<&str> = line.unwrap_or_else(|| panic!("no row {name} in {lines:#?}")).split_whitespace().collect();
    [columns[1], columns[2]].map(|time| time.parse().ok())
}

#[test]
fn no_starts_at_all_are_refused() {
    let finished = Example::start("faster_exec", &["--starts", "0"]).finish();
    assert_eq!(finished.status.code(), Some(2));
    assert!(finished.errors.starts_with("error: "), "{}", finished.errors);
}
