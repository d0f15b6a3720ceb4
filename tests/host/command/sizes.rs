//! Many and long arguments and variables.

use super::{Seen, both, shown};
use std::path::Path;

super::cases![
    a_megabyte_of_arguments_comes,
    a_megabyte_of_variables_comes,
    two_thousand_arguments_come,
    the_longest_string_comes_and_a_longer_one_is_an_error,
    more_than_fits_is_an_error,
    a_missing_program_or_its_arguments_are_the_error,
];

/// Prints how many arguments there are, and how long they are together.
const COUNT: [&str; 3] = ["-c", "IFS=; all=\"$*\"; echo $# ${#all}", "sh"];

fn a_megabyte_of_arguments_comes(_: &Path) -> Seen {
    let argument = "x".repeat(100_000);
    both! { shown(Command::new("sh").args(COUNT).args([&argument; 10]).output()) }
}

fn a_megabyte_of_variables_comes(_: &Path) -> Seen {
    let value = "x".repeat(100_000);
    both! {
        let variables = (0..10).map(|number| (format!("T_{number}"), &value));
        let script = "echo ${#T_0} ${#T_9}; env | grep -c ^T_";
        shown(Command::new("sh").args(["-c", script]).envs(variables).output())
    }
}

fn two_thousand_arguments_come(_: &Path) -> Seen {
    both! { shown(Command::new("sh").args(COUNT).args((0..2000).map(|number| format!("{number:04}"))).output()) }
}

/// The limit of a string is 32 pages, its NUL included.
fn the_longest_string_comes_and_a_longer_one_is_an_error(_: &Path) -> Seen {
    // SAFETY: a number.
    let longest = 32 * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize - 1;
    both! {
        let seen = [longest, longest + 1, longest + 4096].map(|length| {
            let argument = shown(Command::new("true").arg("x".repeat(length)).output());
            // The name and the equal sign are part of the string.
            let variable = shown(Command::new("true").env("T", "x".repeat(length - 2)).output());
            format!("{argument} {variable}")
        });
        seen.join(", ")
    }
}

/// The limit of all is three quarters of 8 MB, whatever else is set.
fn more_than_fits_is_an_error(_: &Path) -> Seen {
    let long = "x".repeat(100_000);
    both! {
        let arguments = shown(Command::new("true").args([&long; 70]).output());
        let variables = (0..70).map(|number| (number.to_string(), &long));
        let variables = shown(Command::new("true").envs(variables).output());
        let many = shown(Command::new("true").args(std::iter::repeat_n("x", 700_000)).output());
        let after = shown(Command::new("true").output());
        [arguments, variables, many, after].join(", ")
    }
}

fn a_missing_program_or_its_arguments_are_the_error(_: &Path) -> Seen {
    let long = "x".repeat(200_000);
    both! {
        let absolute = shown(Command::new("/nope").arg(&long).output());
        let bare = shown(Command::new("no-such-program").arg(&long).output());
        [absolute, bare].join(", ")
    }
}
