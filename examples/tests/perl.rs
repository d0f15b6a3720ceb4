//! `perl`: the examples of AnyEvent::Fork's documentation.

use crate::support::run;

#[test]
fn the_examples_of_the_original_work_from_rust() {
    let mut lines = run("perl", &[]);
    // Two workers print in any order.
    lines[2..4].sort();
    let expected = [
        r#"one worker: "HELLO\nFROM RUST\n" (exit status: 0)"#,
        "pool: ten clients at once were served by [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]",
        "hi #1",
        "hi #2",
        r#"/bin/echo hi: the file has "hi\n", the socket "" (exit status: 0)"#,
        r#"/bin/cat /no/such/file: the file has "", the socket "/bin/cat: /no/such/file: No such file or directory\n" (exit status: 1)"#,
        r#"from a string: "process N says 6" (exit status: 0)"#,
        r#"what does not compile: Preparation: eval: Global symbol "$sum" requires explicit package name (did you forget to declare "my $sum"?) at (eval N) line 1."#,
        "what is not there: entry do_it: no function of this name is defined",
        r#"run_args: ["info: in the template", "info: in a fork, with 3", "info: in the function, which has 3 inputs"]"#,
    ];
    let lines: Vec<String> = lines.iter().map(|line| without_number(line)).collect();
    assert_eq!(lines, expected);
}

/// `(eval 5)` as `(eval N)`: how many evaluations there were before.
fn without_number(line: &str) -> String {
    let Some((before, rest)) = line.split_once("(eval ") else { return line.to_owned() };
    let rest = rest.trim_start_matches(|octet: char| octet.is_ascii_digit());
    format!("{before}(eval N{rest}")
}
