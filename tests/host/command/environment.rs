//! Variables and arguments, as they are at the time of the call.

use super::{Seen, alone, both, set, shown, unset};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

super::cases![
    variables_are_those_of_the_time_of_the_call,
    variables_are_those_of_the_time_of_each_call,
    changes_go_above_the_variables_of_the_caller,
    the_last_change_of_a_variable_counts,
    clearing_removes_all_that_was_there_before,
    values_may_be_empty_and_have_line_ends_and_equal_signs,
    variables_need_not_be_text,
    arguments_come_as_they_are,
    a_variable_that_was_named_twice_stays_so,
    the_last_of_two_variables_of_a_name_counts_if_anything_is_changed,
    a_string_in_the_environment_that_is_no_variable_is_left_out,
];

/// What env(1) wrote: the variables whose names begin with `T_`, or all.
fn variables(result: Result<impl Into<Wrote>, impl std::fmt::Debug>, all: bool) -> String {
    let Wrote(octets) = result.unwrap().into();
    let variables = octets.split(|octet| *octet == 0).filter(|variable| all || variable.starts_with(b"T_"));
    let mut variables: Vec<_> = variables.map(|variable| variable.escape_ascii().to_string()).collect();
    variables.sort();
    variables.join(" ").trim().to_owned()
}

struct Wrote(Vec<u8>);

impl From<std::process::Output> for Wrote {
    fn from(output: std::process::Output) -> Self {
        Wrote(output.stdout)
    }
}

impl From<anyfork::Output> for Wrote {
    fn from(output: anyfork::Output) -> Self {
        Wrote(output.stdout)
    }
}

fn variables_are_those_of_the_time_of_the_call(_: &Path) -> Seen {
    set("T_NEW", "1");
    set("T_OTHER", "2");
    unset("T_OTHER");
    both! { variables(Command::new("env").arg("-0").output(), false) }
}

fn variables_are_those_of_the_time_of_each_call(_: &Path) -> Seen {
    both! {
        let mut command = Command::new("env");
        command.arg("-0");
        let seen = ["1", "2"].map(|value| {
            set("T_ONE", value);
            variables(command.output(), false)
        });
        unset("T_ONE");
        format!("{}, {}, [{}]", seen[0], seen[1], variables(command.output(), false))
    }
}

fn changes_go_above_the_variables_of_the_caller(_: &Path) -> Seen {
    set("T_ONE", "old");
    set("T_TWO", "old");
    set("T_THREE", "old");
    both! {
        let mut command = Command::new("env");
        command.arg("-0").env("T_ONE", "new").env_remove("T_TWO").env_remove("T_NOPE");
        command.envs([("T_4", "4"), ("T_5", "5")]);
        variables(command.output(), false)
    }
}

fn the_last_change_of_a_variable_counts(_: &Path) -> Seen {
    set("T_A", "old");
    both! {
        let mut command = Command::new("env");
        command.arg("-0").env("T_A", "1").env("T_A", "2").env_remove("T_A").env("T_A", "3");
        command.env("T_B", "1").env_remove("T_B");
        command.envs([("T_C", "1"), ("T_C", "2")]);
        variables(command.output(), false)
    }
}

fn clearing_removes_all_that_was_there_before(_: &Path) -> Seen {
    set("T_A", "old");
    both! {
        let mut first = Command::new("env");
        first.arg("-0").env("T_B", "1").env_remove("T_A").env_clear();
        let mut second = Command::new("/usr/bin/env");
        second.arg("-0").env_clear().env("T_C", "1").env("T_D", "1").env_remove("T_D");
        format!("[{}] {}", variables(first.output(), true), variables(second.output(), true))
    }
}

fn values_may_be_empty_and_have_line_ends_and_equal_signs(_: &Path) -> Seen {
    set("T_A", "");
    set("T_B", "1\n2");
    both! {
        let mut command = Command::new("env");
        command.arg("-0").env("T_C", "").env("T_D", "\n=\n").env("T_E", "a=b");
        variables(command.output(), false)
    }
}

fn variables_need_not_be_text(_: &Path) -> Seen {
    let (name, value) = (OsStr::from_bytes(b"T_\xff"), OsStr::from_bytes(b"\xfe\x80"));
    set("T_\u{e4}", value);
    both! { variables(Command::new("env").arg("-0").env(name, value).output(), false) }
}

fn arguments_come_as_they_are(_: &Path) -> Seen {
    let odd = OsStr::from_bytes(b"\xff\xfe");
    both! {
        let mut command = Command::new("printf");
        command.arg("[%s]").args(["", " ", "a b", "\"'\\", "$HOME", "-n", "\n"]).arg(odd).arg("*");
        shown(command.output())
    }
}

/// Puts strings into the place of the environment.
fn replace_environment(strings: &[&'static std::ffi::CStr]) {
    unsafe extern "C" {
        static mut environ: *const *const libc::c_char;
    }
    let pointers = strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    // SAFETY: a list as environ(7) wants it, which stays; this program has one thread.
    unsafe { environ = pointers.leak().as_ptr() }
}

fn a_variable_that_was_named_twice_stays_so(_: &Path) -> Seen {
    replace_environment(&[c"PATH=/bin:/usr/bin", c"T_A=1", c"T_A=2"]);
    both! { variables(Command::new("env").arg("-0").output(), false) }
}

/// As it is where variables are a map.
fn the_last_of_two_variables_of_a_name_counts_if_anything_is_changed(_: &Path) -> Seen {
    replace_environment(&[c"PATH=/bin:/usr/bin", c"T_A=1", c"T_A=2"]);
    both! { variables(Command::new("env").arg("-0").env("T_B", "3").output(), false) }
}

fn a_string_in_the_environment_that_is_no_variable_is_left_out(_: &Path) -> Seen {
    replace_environment(&[c"PATH=/bin:/usr/bin", c"T_NOTHING", c"=T", c"T_A=1"]);
    alone! { variables(Command::new("cat").arg("/proc/self/environ").output(), true) }
}
