//! A program that runs with privileges that its caller does not have.

use super::{NONCE, greeted};
use anyfork_tests::{Scratch, fresh_user};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

/// Runs a copy of the host program that belongs to another user and takes that user's privileges.
fn run(value: Option<&str>) -> Option<Output> {
    let user = fresh_user()?;
    let copy = Scratch::new("secure");
    // In another process: what is open here to be written is so in every fork of another test, and cannot be executed.
    assert!(Command::new("cp").args([env!("CARGO_BIN_EXE_host"), &*copy]).status().unwrap().success());
    std::os::unix::fs::chown(&*copy, Some(user), Some(user)).unwrap();
    fs::set_permissions(&*copy, fs::Permissions::from_mode(0o4755)).unwrap();
    let mut command = Command::new(&*copy);
    command.arg("handover");
    if let Some(value) = value {
        command.env("ANYFORK_HANDOVER", value);
    }
    Some(command.output().unwrap())
}

#[test]
fn it_ends_when_it_finds_the_variable() {
    let (_ours, fd, announced) = greeted::with(&greeted::hello(greeted::VERSION));
    for value in [&announced, &format!("99:{NONCE}"), "garbage"] {
        let Some(output) = run(Some(value)) else { return };
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]), "{output:?}");
        let message = "ANYFORK_HANDOVER is set for a program that runs with privileges its caller does not have";
        assert!(String::from_utf8_lossy(&output.stderr).contains(message), "{output:?}");
    }
    drop(fd);
}

#[test]
fn it_runs_as_usual_without_the_variable_and_starts_nothing() {
    let Some(output) = run(None) else { return };
    assert!(output.stdout.starts_with(b"main ran\nvariable gone\n"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("privileges that its caller does not have"), "{output:?}");
}
