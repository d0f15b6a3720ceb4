//! Strings that no program can get.

use super::oracle::Oracle;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[test]
fn a_nul_is_refused_wherever_it_is() {
    let oracle = Oracle::new();
    oracle.is_invalid(&mut oracle.command("a\0b"), "start: the program's name has a NUL");
    let last = &mut oracle.command("true");
    oracle.is_invalid(last.args(["fine", "a\0"]), "start: argument 2 has a NUL");
    oracle.is_invalid(oracle.command("true").arg0("\0"), "start: argument 0 has a NUL");
    let text = r#"start: the name of the variable "a\0b" has a NUL"#;
    oracle.is_invalid(oracle.command("true").env("a\0b", "1"), text);
    let text = r#"start: the value of the variable "A" has a NUL"#;
    oracle.is_invalid(oracle.command("true").env("A", "\0b"), text);
    oracle.is_invalid(oracle.command("true").current_dir("/\0"), "start: the current directory has a NUL");
    oracle.is_invalid(oracle.command("true").chroot("/\0"), "start: the root directory has a NUL");
}

#[test]
fn an_empty_program_is_refused() {
    let oracle = Oracle::new();
    oracle.is_invalid(&mut oracle.command(""), "start: the program's name is empty");
}

#[test]
fn names_that_no_variable_can_have_are_refused() {
    let oracle = Oracle::new();
    let text = r#"environment: the name of the variable "a=b" has an equals sign"#;
    oracle.is_invalid(oracle.command("true").env("a=b", "c"), text);
    oracle.is_invalid(oracle.command("true").env_clear().env("=", "c"), &text.replace("a=b", "="));
    oracle.is_invalid(oracle.command("true").env("", "c"), r#"environment: the name of the variable "" is empty"#);
}

#[test]
fn an_empty_directory_name_is_no_directory() {
    let oracle = Oracle::new();
    oracle.refuses(oracle.command("true").current_dir(""), libc::ENOENT, r#"current_dir """#);
}

#[test]
fn what_is_too_long_for_the_kernel_is_refused_by_it() {
    let oracle = Oracle::new();
    let text = r#"exec "true""#;
    // One string that is too long, and many that are it together.
    oracle.refuses(oracle.command("true").arg("x".repeat(140_000)), libc::E2BIG, text);
    oracle.refuses(oracle.command("true").args(vec!["x".repeat(100_000); 80]), libc::E2BIG, text);
    oracle.refuses(oracle.command("true").env("A", "x".repeat(140_000)), libc::E2BIG, text);
    oracle.refuses(
        oracle.command(&"x".repeat(300)).env("PATH", "/usr/bin:/bin"),
        libc::ENAMETOOLONG,
        &format!(r#"exec "{}""#, "x".repeat(300)),
    );
}

#[test]
fn names_of_any_octets_come_back_in_messages() {
    let oracle = Oracle::new();
    let mut command = oracle.command("true");
    command.current_dir(OsStr::from_bytes(b"/nope-\xff\n"));
    oracle.refuses(&mut command, libc::ENOENT, "current_dir \"/nope-\u{fffd}\n\"");
}
