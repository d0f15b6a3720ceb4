//! `tarpc_worker`: calls, and one that its worker does not survive.

use crate::support::{Example, number_after};

#[test]
fn calls_are_answered_and_a_fatal_one_is_an_error_with_an_exit_status() {
    let finished = Example::start("tarpc_worker", &[]).finish();
    let lines = finished.lines;
    assert!(finished.status.success(), "{}: {lines:#?} {}", finished.status, finished.errors);
    let first = number_after(&lines[0], "worker ");
    let second = number_after(lines.last().expect("a line"), "worker ");
    assert_ne!(first, second);
    // What tarpc adds depends on whether the worker had read the call.
    let failed = lines[2].split_once(" failed: ").unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!(failed.0, format!("the call to worker {first}"));
    let reasons = ["connection to the server was already shutdown", "could not read from the transport"];
    assert!(reasons.iter().any(|reason| failed.1.contains(reason)), "{lines:#?}");
    let told: Vec<&str> = lines.iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, line)| line.as_str()).collect();
    let good = |pid: u32| [format!("worker {pid} counts 3 words"), format!("worker {pid} repeats: aaa bbb ccc")];
    let expected = [
        &good(first)[..],
        &[format!("worker {first} ended: signal: 6 (SIGABRT)")],
        &good(second),
        &[format!("worker {second} ended: exit status: 0")],
    ];
    assert_eq!(told, expected.concat(), "{lines:#?}");
    // Said by the worker, whose standard error is that of the program.
    assert!(finished.errors.contains("memory allocation of "), "{}", finished.errors);
}
