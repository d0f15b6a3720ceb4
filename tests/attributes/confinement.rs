//! What a program may no longer do: no_new_privs, Landlock, seccomp.

use super::commands::{can, output, parked, sh};
use anyfork::Command;
use anyfork_tests::{Scratch, status};
use landlock::{ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::path::Path;

#[test]
fn no_new_privileges_are_gained_if_so_declared() {
    for yes in [true, false] {
        let child = parked().no_new_privs(yes).spawn().unwrap();
        let own = status(std::process::id(), "NoNewPrivs");
        assert_eq!(status(child.id(), "NoNewPrivs"), if yes { "1".into() } else { own });
    }
}

pub(crate) fn has_landlock() -> bool {
    // SAFETY: asks for the version, with no attributes to read.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, 1) };
    can(version > 0, "a kernel with Landlock")
}

/// A ruleset that allows reading and executing below these directories, and nothing else.
pub(crate) fn reading_below(directories: &[&str]) -> RulesetCreated {
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1)).unwrap().create().unwrap();
    for directory in directories.iter().filter(|directory| Path::new(directory).exists()) {
        let rule = PathBeneath::new(PathFd::new(directory).unwrap(), AccessFs::from_read(ABI::V1));
        rules = rules.add_rule(rule).unwrap();
    }
    rules
}

/// Where programs and their libraries are.
const SYSTEM: [&str; 5] = ["/usr", "/lib", "/lib64", "/bin", "/etc"];

#[test]
fn a_ruleset_confines_the_program_to_what_it_allows() {
    if !has_landlock() {
        return;
    }
    let file = Scratch::new("landlock");
    std::fs::write(&*file, "secret").unwrap();
    let mut command = sh(r#"ls /usr > /dev/null && echo read
        (echo x > "$0.new") 2> /dev/null || echo not written
        (cat "$0") 2> /dev/null || echo not read"#);
    // `/dev/null` is opened by the shell.
    let rules = reading_below(&SYSTEM);
    let null = PathBeneath::new(PathFd::new("/dev/null").unwrap(), AccessFs::from_file(ABI::V1));
    command.arg(&*file).landlock(rules.add_rule(null).unwrap());
    for _ in 0..2 {
        assert_eq!(output(&mut command), "read\nnot written\nnot read\n");
    }
    assert!(!Path::new(&format!("{}.new", &*file)).exists());
    assert_eq!(output(Command::new("cat").arg(&*file)), "secret", "the template is not confined");
}

#[test]
fn a_ruleset_implies_no_new_privileges() {
    if !has_landlock() {
        return;
    }
    let child = parked().landlock(reading_below(&SYSTEM)).spawn().unwrap();
    assert_eq!(status(child.id(), "NoNewPrivs"), "1");
}

#[test]
fn a_ruleset_that_does_not_allow_the_program_is_an_error_of_its_exec() {
    if !has_landlock() {
        return;
    }
    let mut command = Command::new("/bin/true");
    let error = command.landlock(reading_below(&["/etc"])).spawn().map(|child| child.id()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    assert!(error.to_string().starts_with(r#"exec "/bin/true": "#), "{error}");
}

/// Directories cannot be made.
pub(crate) fn no_mkdir() -> BpfProgram {
    refusing(&[libc::SYS_mkdir, libc::SYS_mkdirat])
}

fn refusing(calls: &[i64]) -> BpfProgram {
    let calls = calls.iter().map(|call| (*call, Vec::new()));
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(calls.collect(), SeccompAction::Allow, refused, architecture).unwrap();
    filter.try_into().unwrap()
}

#[test]
fn a_filter_makes_system_calls_fail() {
    let directory = Scratch::new("seccomp");
    let mut command = sh(r#"mkdir "$0" 2>&1; echo > "$0.file" && echo written"#);
    let text = output(command.arg(&*directory).seccomp(&no_mkdir()));
    assert!(text.contains("Operation not permitted") && text.ends_with("written\n"), "{text}");
    assert!(!Path::new(&*directory).exists());
    let child = parked().seccomp(&no_mkdir()).spawn().unwrap();
    assert_eq!([status(child.id(), "Seccomp"), status(child.id(), "NoNewPrivs")], ["2", "1"]);
    output(Command::new("mkdir").arg(&*directory));
}

#[test]
fn an_invalid_filter_is_an_error_of_its_step() {
    let error = parked().seccomp(&Vec::new()).spawn().map(|child| child.id()).unwrap_err();
    assert_eq!(error.to_string(), "seccomp: Invalid argument (os error 22)");
}

/// Many filters allow no network.
#[test]
fn a_failed_exec_is_told_through_a_filter_that_refuses_to_send() {
    let mut command = Command::new("/no/such");
    command.seccomp(&refusing(&[libc::SYS_sendmsg]));
    let error = command.spawn().map(|child| child.id()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT), "{error}");
}
