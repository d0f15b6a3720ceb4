//! The current directory and the umask, as they are at the time of the call.

use super::rights::{become_nobody, is_root};
use super::{Seen, alone, both, set, shown, skipped};
use std::env::set_current_dir;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

super::cases![
    the_current_directory_is_that_of_the_time_of_the_call,
    a_renamed_current_directory_stays_the_same,
    a_deleted_current_directory_can_be_inherited,
    a_directory_can_be_given,
    a_given_directory_need_not_be_text,
    what_is_no_directory_is_an_error,
    a_directory_that_may_be_entered_but_not_read_is_inherited,
    a_directory_that_may_not_be_entered_must_be_left,
    the_umask_is_that_of_the_time_of_the_call,
    what_changes_after_the_call_does_not_count,
];

/// Prints the directory of the program.
const WHERE: [&str; 2] = ["readlink", "/proc/self/cwd"];

fn below<'p>(place: &'p Path, names: &[&str]) -> &'p Path {
    for name in names {
        fs::create_dir_all(place.join(name)).unwrap();
    }
    place
}

fn the_current_directory_is_that_of_the_time_of_the_call(place: &Path) -> Seen {
    below(place, &["a", "b"]);
    both! {
        let mut command = Command::new(WHERE[0]);
        command.arg(WHERE[1]);
        let seen = ["a", "b"].map(|name| {
            set_current_dir(place.join(name)).unwrap();
            shown(command.output())
        });
        seen.join(", ")
    }
}

fn a_renamed_current_directory_stays_the_same(place: &Path) -> Seen {
    set_current_dir(below(place, &["a"]).join("a")).unwrap();
    fs::rename(place.join("a"), place.join("b")).unwrap();
    below(place, &["a"]);
    both! { shown(Command::new(WHERE[0]).arg(WHERE[1]).output()) }
}

fn a_deleted_current_directory_can_be_inherited(place: &Path) -> Seen {
    set_current_dir(below(place, &["a"]).join("a")).unwrap();
    fs::remove_dir(place.join("a")).unwrap();
    both! {
        let inherited = shown(Command::new(WHERE[0]).arg(WHERE[1]).output());
        let left = shown(Command::new(WHERE[0]).arg(WHERE[1]).current_dir(place).output());
        let relative = shown(Command::new(WHERE[0]).arg(WHERE[1]).current_dir("nope").output());
        [inherited, left, relative].join(", ")
    }
}

fn a_directory_can_be_given(place: &Path) -> Seen {
    set_current_dir(below(place, &["a/c", "b"]).join("a")).unwrap();
    both! {
        let seen = ["c", "../b", ".", "/"]
            .map(|name| shown(Command::new(WHERE[0]).arg(WHERE[1]).current_dir(name).output()));
        let absolute = shown(Command::new(WHERE[0]).arg(WHERE[1]).current_dir(place.join("b")).output());
        let last = shown(Command::new(WHERE[0]).arg(WHERE[1]).current_dir("c").current_dir("../b").output());
        format!("{}, {absolute}, {last}", seen.join(", "))
    }
}

fn a_given_directory_need_not_be_text(place: &Path) -> Seen {
    let directory = place.join(OsStr::from_bytes(b"a\xff\n"));
    fs::create_dir(&directory).unwrap();
    let script = "basename \"$(readlink /proc/$$/cwd)\"";
    both! { shown(Command::new("sh").args(["-c", script]).current_dir(&directory).output()) }
}

fn what_is_no_directory_is_an_error(place: &Path) -> Seen {
    both! {
        let seen = ["/nope", "/etc/passwd", ""]
            .map(|directory| shown(Command::new("true").current_dir(directory).output()));
        let long = shown(Command::new("true").current_dir(place.join("x".repeat(300))).status());
        let bare = shown(Command::new("no-such-program").current_dir("/nope").spawn().map(drop));
        format!("{}, {long}, {bare}", seen.join(", "))
    }
}

/// Goes there, and can do no more than others can.
fn enter_as_nobody(place: &Path, mode: u32) {
    let directory = below(place, &["a"]).join("a");
    set_current_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
    become_nobody();
}

fn a_directory_that_may_be_entered_but_not_read_is_inherited(place: &Path) -> Seen {
    if !is_root() {
        return skipped("it takes root to become somebody else");
    }
    enter_as_nobody(place, 0o711);
    both! { shown(Command::new(WHERE[0]).arg(WHERE[1]).output()) }
}

/// The program of std inherits it.
fn a_directory_that_may_not_be_entered_must_be_left(place: &Path) -> Seen {
    if !is_root() {
        return skipped("it takes root to become somebody else");
    }
    enter_as_nobody(place, 0o700);
    alone! {
        let inherited = shown(Command::new(WHERE[0]).arg(WHERE[1]).output());
        let left = shown(Command::new(WHERE[0]).arg(WHERE[1]).current_dir("/").output());
        [inherited, left].join(", ")
    }
}

fn the_umask_is_that_of_the_time_of_the_call(_: &Path) -> Seen {
    both! {
        let mut command = Command::new("sh");
        command.args(["-c", "umask"]);
        let seen = [0o27, 0o777, 0, 0o22].map(|mask| {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
            shown(command.output())
        });
        seen.join(", ")
    }
}

/// Std has no call that returns before the program is there.
fn what_changes_after_the_call_does_not_count(place: &Path) -> Seen {
    below(place, &["a", "b"]);
    let change = |directory: &str, mask| {
        set_current_dir(place.join(directory)).unwrap();
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
        set("T", directory);
    };
    alone! {
        change("a", 0o27);
        let mut command = Command::new("sh");
        command.args(["-c", "pwd; umask; echo $T"]).stdout(Stdio::piped());
        let starting = command.start();
        change("b", 0o77);
        shown(starting.wait().unwrap().wait_with_output())
    }
}
