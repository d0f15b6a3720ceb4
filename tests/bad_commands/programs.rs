//! Files that are no programs, and directories that cannot be entered.

use super::commands::{compile, compiler, root};
use super::oracle::Oracle;
use anyfork_tests::Scratch;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// A file with these contents and this mode.
fn file(contents: &str, mode: u32) -> Scratch {
    let path = Scratch::new("program");
    fs::write(&*path, contents).unwrap();
    fs::set_permissions(&*path, Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_missing_program_is_named() {
    let oracle = Oracle::new();
    // A directory in `PATH` that may not be searched would be the reason.
    oracle.refuses(
        oracle.command("no-such-program").env("PATH", "/usr/bin:/bin"),
        libc::ENOENT,
        r#"exec "no-such-program""#,
    );
    oracle.refuses(&mut oracle.command("/no/such"), libc::ENOENT, r#"exec "/no/such""#);
    oracle.refuses(&mut oracle.command("/dev/null/x"), libc::ENOTDIR, r#"exec "/dev/null/x""#);
    oracle.refuses(oracle.command("true").env("PATH", "/no/such:/dev/null"), libc::ENOTDIR, r#"exec "true""#);
}

#[test]
fn a_directory_is_no_program() {
    let oracle = Oracle::new();
    oracle.refuses(&mut oracle.command("/usr"), libc::EACCES, r#"exec "/usr": it is a directory"#);
}

#[test]
fn a_script_must_name_its_interpreter() {
    let oracle = Oracle::new();
    let script = file("exit 0\n", 0o755);
    let text = format!("exec {:?}: it is neither a program for this system nor a script that begins with #!", &*script);
    oracle.refuses(&mut oracle.command(&script), libc::ENOEXEC, &text);
    let empty = file("", 0o755);
    oracle.refuses(&mut oracle.command(&empty), libc::ENOEXEC, &text.replace(&*script, &empty));
}

#[test]
fn a_missing_interpreter_is_told_from_a_missing_program() {
    let oracle = Oracle::new();
    let script = file("#!/no/such/interpreter\n", 0o755);
    let text = format!("exec {:?}: it is there, but the interpreter that it names is not", &*script);
    oracle.refuses(&mut oracle.command(&script), libc::ENOENT, &text);
}

#[test]
fn a_file_that_is_not_executable_is_refused() {
    let oracle = Oracle::new();
    let script = file("#!/bin/sh\n", 0o644);
    oracle.refuses(&mut oracle.command(&script), libc::EACCES, &format!("exec {:?}", &*script));
    // Also where it is found in `PATH`, and nothing better behind it.
    let (directory, _) = script.rsplit_once('/').unwrap();
    let path = format!("/no/such:{directory}:/no/such");
    oracle.refuses(oracle.command("program").env("PATH", path), libc::EACCES, r#"exec "program""#);
}

#[test]
fn a_program_that_is_being_written_is_refused() {
    if !compiler() {
        return;
    }
    let oracle = Oracle::new();
    let program = Scratch::new("busy");
    compile(&program, "int main(void) { return 0; }");
    let writer = fs::OpenOptions::new().append(true).open(&*program).unwrap();
    let text = format!("exec {:?}: {}", &*program, std::io::Error::from_raw_os_error(libc::ETXTBSY));
    // The writer is one of this program's descriptors.
    let error = oracle.command(&program).spawn().map(|child| child.id()).unwrap_err();
    assert_eq!((error.to_string(), error.raw_os_error()), (text, Some(libc::ETXTBSY)));
    drop(writer);
    assert!(oracle.command(&program).status().unwrap().success(), "once nobody writes it");
    oracle.nothing_is_left("busy");
}

#[test]
fn a_directory_that_is_none_is_named() {
    let oracle = Oracle::new();
    let error = oracle.command("true").current_dir("/nope").spawn().map(|child| child.id()).unwrap_err();
    assert_eq!(error.to_string(), r#"current_dir "/nope": No such file or directory (os error 2)"#);
    oracle.refuses(oracle.command("true").current_dir("/nope"), libc::ENOENT, r#"current_dir "/nope""#);
    oracle.refuses(oracle.command("true").current_dir("no/such"), libc::ENOENT, r#"current_dir "no/such""#);
    oracle.refuses(oracle.command("true").current_dir("/dev/null"), libc::ENOTDIR, r#"current_dir "/dev/null""#);
    oracle.refuses(oracle.command("true").chroot("/nope"), libc::ENOENT, r#"chroot "/nope""#);
    oracle.refuses(oracle.command("true").chroot("/dev/null"), libc::ENOTDIR, r#"chroot "/dev/null""#);
}

#[test]
fn a_directory_that_the_new_user_may_not_enter_is_named() {
    if !root() {
        return;
    }
    let oracle = Oracle::new();
    let inside = file("", 0o644);
    let (directory, _) = inside.rsplit_once('/').unwrap();
    fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
    assert!(oracle.command("true").current_dir(directory).status().unwrap().success(), "root may");
    let text = format!("current_dir {directory:?}");
    oracle.refuses(oracle.command("true").uid(65534).current_dir(directory), libc::EACCES, &text);
}
