//! A template or a host that may have no more processes or descriptors: one start fails, the next one works.

use super::oracle::Oracle;
use anyfork::{Command, ErrorKind, Limit};
use anyfork_tests::{LONG, SOON, descriptors, fresh_user, host, within};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

#[test]
fn a_process_too_many_is_one_failed_start() {
    let Some(user) = fresh_user() else { return };
    let mut host = host!("bad_commands", "processes", &user.to_string());
    host.fact("look-before");
    let templates = [host.number("template"), host.default_template()];
    let before = templates.map(descriptors);
    host.go();
    for key in ["plain", "with-entry", "default", "pty"] {
        let failure = host.fact(key);
        let reason = std::io::Error::from_raw_os_error(libc::EAGAIN);
        assert_eq!(failure, format!("System {} fork in the template: {reason}", libc::EAGAIN), "{key}");
    }
    host.fact("look-after");
    within(SOON, "what came with a failed start is closed", || (templates.map(descriptors) == before).then_some(()));
    assert!(host.zombies().is_empty());
    host.go();
    assert_eq!(host.fact("template-again"), "none");
    assert_eq!(host.fact("default-again"), "none");
    host.finish();
}

fn set_limit(pid: u32, current: u64) -> Rlimit {
    let limit = Rlimit { current: Some(current), ..getrlimit(Resource::Nofile) };
    prlimit(Pid::from_raw(pid as i32), Resource::Nofile, limit).unwrap()
}

/// Starts with room for no descriptor in the template, for one, for two, and so on. How many failed.
fn sweep(oracle: &Oracle, make: impl Fn() -> Command) -> u64 {
    let open = descriptors(oracle.pid());
    let mut failures = 0;
    for room in 0..16 {
        let usual = set_limit(oracle.pid(), open.len() as u64 + room);
        let result = make().status();
        prlimit(Pid::from_raw(oracle.pid() as i32), Resource::Nofile, usual).unwrap();
        match result {
            Ok(status) => assert!(status.success(), "room for {room}: {status:?}"),
            Err(error) => {
                let expected = (ErrorKind::System, Some(libc::EMFILE));
                assert_eq!((error.kind(), error.raw_os_error()), expected, "room for {room}: {error}");
                failures += 1;
            }
        }
        oracle.nothing_is_left(&format!("room for {room}"));
        assert_eq!(descriptors(oracle.pid()), open, "room for {room}");
    }
    failures
}

#[test]
fn a_template_without_free_descriptors_fails_starts_and_lives() {
    #[anyfork::entry]
    fn nothing() {}
    let oracle = Oracle::new();
    let usual = getrlimit(Resource::Nofile).maximum;
    let plain = || {
        let mut command = oracle.command("true");
        // The program is to live with fewer descriptors than it takes to start it.
        command.rlimit(Limit::Nofile, 64.min(usual.unwrap_or(64)), usual);
        command
    };
    let failures = sweep(&oracle, plain);
    assert!((1..16).contains(&failures), "{failures} of 16 failed");
    let failures = sweep(&oracle, || {
        let mut command = plain();
        command.pre_exec_entry(nothing, [""; 0]);
        command
    });
    assert!((1..16).contains(&failures), "{failures} of 16 failed with an entry");
}

#[test]
fn a_host_without_free_descriptors_gets_an_error_and_works_again() {
    let mut host = host!("bad_commands", "host-descriptors");
    for key in ["plain", "with-entry", "pty", "pipes"] {
        let results = host.fact(key);
        for (room, result) in results.split('|').enumerate() {
            let is_right = result == "none" || result.starts_with(&format!("System {} ", libc::EMFILE));
            assert!(is_right, "{key} with room for {room}: {result}");
        }
        assert!(results.starts_with("System") && results.ends_with("none"), "{key}: {results}");
        assert_eq!(host.fact(&format!("{key}-again")), "none");
        assert_eq!(host.fact(&format!("{key}-left")), "0", "descriptors left by {key}");
    }
    host.fact("done");
    within(LONG, "no zombies are left", || host.zombies().is_empty().then_some(()));
    host.go();
    host.finish();
}
