//! `pass_fd`: descriptors as inputs.

use crate::support::run;

#[test]
fn each_descriptor_is_of_use_in_its_worker() {
    let expected = [
        r#"file: ["from the program", "from the worker"] (exit status: 0)"#,
        r#"pipe: ["1", "2", "3", "4", "5"] (exit status: 0)"#,
        r#"listener: "hello, 127.0.0.1" (exit status: 0)"#,
        r#"template: ["1² = 1", "2² = 4", "3² = 9"] (exit status: 0)"#,
        "wrong kind: Inputs: pass_fd::greet, input 1: expected a TCP listener, got a descriptor of a regular file",
    ];
    assert_eq!(run("pass_fd", &[]), expected);
}
