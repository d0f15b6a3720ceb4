//! Which variables a process has: those that were allowed, and the others nowhere in its memory.

use crate::{found, secret};
use anyfork::{Command, ErrorKind, Process};
use anyfork_tests::{Host, LONG};
use std::ffi::OsString;
use std::fs;

/// A host that has secrets in its environment, from its start and set by itself.
fn host(arguments: &[&str], secrets: &[String; 2]) -> Host {
    let arguments: Vec<&str> = ["isolation"].iter().chain(arguments).copied().collect();
    let mut command = Host::command(env!("CARGO_BIN_EXE_host"), &arguments);
    command.env("GIVEN", &secrets[0]).env("LATER", &secrets[1]).env("ALLOWED", "as it was").env("ALLOWEDTOO", "no");
    Host::start(command)
}

/// What `/proc/PID/environ` shows.
fn shown(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/environ")).unwrap()).into_owned()
}

fn keeps_what_is_allowed(origin: &str, is_fork_of_program: bool) {
    for how in ["process", "template"] {
        let secrets = [secret(), secret()];
        let mut host = host(&[origin, how], &secrets);
        host.fact("ready");
        let (allowed, free) = (host.number("allowed"), host.number("free"));
        assert_eq!(host.fact("allowed-variables"), "ALLOWED=as it was", "{origin}, {how}");
        assert!(host.fact("free-variables").contains("ALLOWEDTOO=no"), "{origin}, {how}");
        for secret in &secrets {
            assert_ne!(found(free, secret.as_bytes()), 0, "the control: {origin}, {how}");
            assert_eq!(found(allowed, secret.as_bytes()), 0, "{origin}, {how}");
            assert!(!shown(allowed).contains(secret), "{origin}, {how}");
        }
        // There a fork of the program has its title, and a fresh exec what it was told, overwritten.
        if !is_fork_of_program {
            let shown = shown(allowed);
            let mut left = shown.split('\0').filter(|it| !it.is_empty() && !it.starts_with("ANYFORK_HANDOVER=---"));
            assert_eq!((left.next(), left.next()), (Some("ALLOWED=as it was"), None), "{shown:?}");
        }
        host.go();
        host.finish();
    }
}

#[test]
fn a_fork_of_the_default_template_keeps_what_is_allowed() {
    keeps_what_is_allowed("default", false);
}

#[test]
fn a_fork_of_a_template_keeps_what_is_allowed() {
    keeps_what_is_allowed("nested", false);
}

#[test]
fn a_spare_keeps_what_is_allowed() {
    keeps_what_is_allowed("spare", false);
}

#[test]
fn a_fresh_exec_is_given_what_is_allowed() {
    keeps_what_is_allowed("exec", false);
}

#[test]
fn a_fork_of_an_early_template_keeps_what_is_allowed() {
    keeps_what_is_allowed("early", true);
}

#[test]
fn a_fork_of_a_template_made_here_keeps_what_is_allowed() {
    keeps_what_is_allowed("here", true);
}

/// Nor do its templates; programs that it starts have all.
fn keeps_all_out(origin: &str) {
    let secrets = [secret(), secret()];
    let mut host = host(&[origin, "program"], &secrets);
    host.fact("ready");
    let worker = host.number("allowed");
    assert_eq!(host.fact("allowed-variables"), "ALLOWED=as it was", "{origin}");
    for secret in &secrets {
        for pid in [worker, host.default_template()] {
            assert_eq!(found(pid, secret.as_bytes()), 0, "{origin}");
        }
        assert!(host.fact("command-variables").contains(secret.as_str()), "{origin}");
    }
    host.go();
    host.finish();
}

#[test]
fn the_default_template_is_given_what_the_program_allows() {
    keeps_all_out("default");
}

#[test]
fn a_fresh_exec_is_given_what_the_program_allows() {
    keeps_all_out("exec");
}

#[test]
fn an_early_template_keeps_what_the_program_allows() {
    keeps_all_out("early");
}

#[anyfork::entry]
fn nothing() {}

#[test]
fn it_is_too_late_when_there_is_a_default_template() {
    assert!(Process::new().run(nothing).unwrap().wait().unwrap().success());
    let error = anyfork::env_allow(["PATH"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let output = Command::new("env").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("PATH="));
}

#[test]
fn names_that_cannot_be_are_refused() {
    for name in ["", "A=B", "A\0B"] {
        assert_eq!(anyfork::env_allow([name]).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        let error = Process::new().env_allow([name]).run(nothing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}: {error}");
    }
}

#[anyfork::entry]
fn leave_a_thread() {
    std::thread::spawn(|| std::thread::sleep(LONG));
}

#[test]
fn a_process_with_threads_keeps_its_environment_and_says_so() {
    let error = Process::new().call(leave_a_thread, anyfork::NO_ARGS).env_allow(["PATH"]).run(nothing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Threads, "{error}");
}

/// putenv(3) takes the string itself, which may be a constant.
#[anyfork::entry]
fn put_a_constant() {
    // SAFETY: this process has one thread, and the string is there for ever.
    assert_eq!(unsafe { libc::putenv(c"CONSTANT=of the program".as_ptr().cast_mut()) }, 0);
}

#[anyfork::entry]
fn has_none() {
    assert_eq!(std::env::vars_os().count(), 0);
}

#[test]
fn a_variable_that_is_a_constant_of_the_program_is_removed_too() {
    let process = Process::new().call(put_a_constant, anyfork::NO_ARGS).env_allow(anyfork::NO_ARGS);
    assert!(process.run(has_none).unwrap().wait().unwrap().success());
}

#[anyfork::entry]
fn has_one(name: OsString) {
    assert_eq!(std::env::vars_os().map(|(name, _)| name).collect::<Vec<_>>(), [name]);
}

#[test]
fn what_is_allowed_twice_is_what_both_have_named() {
    let names: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).take(3).collect();
    let [a, b, c] = &names[..] else { panic!("no three variables: {names:?}") };
    for process in [Process::new(), Process::exec()] {
        let worker = process.env_allow([a, b]).env_allow([b, c]).arg(b).run(has_one).unwrap();
        assert!(worker.wait().unwrap().success());
    }
}
