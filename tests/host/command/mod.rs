//! External programs: a table of cases, each the same code with the types of std and with those of anyfork, in a process of its own.

mod directory;
mod endings;
mod environment;
mod faces;
mod forks;
mod parallel;
mod path;
mod rights;
mod shown;
mod signals;
mod sizes;
mod stdio;
mod users;

use crate::{Outcome, say};
use shown::Show;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What came of a case.
struct Seen {
    /// `None`: std does it otherwise, or has nothing like it.
    std: Option<String>,
    anyfork: String,
    skipped: Option<&'static str>,
}

impl Seen {
    /// What was seen before and after.
    fn and(self, other: Seen) -> Seen {
        let std = self.std.zip(other.std).map(|(before, after)| format!("{before}, {after}"));
        Seen { std, anyfork: format!("{}, {}", self.anyfork, other.anyfork), skipped: self.skipped }
    }
}

/// Gets a directory of its own.
type Case = fn(&Path) -> Seen;

/// A function of this name, which is what the test is called too.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => { pub(super) const CASES: &[(&str, super::Case)] = &[$((stringify!($name), $name)),+]; };
}

/// Runs the same code, once where `Command` and `Stdio` are std's, and once where they are anyfork's.
macro_rules! both {
    ($($code:tt)*) => {{
        #[allow(unused_imports)]
        let std = {
            use crate::command::signals::AsStd as _;
            use std::os::unix::process::CommandExt as _;
            use std::process::{Command, Stdio};
            $($code)*
        };
        let alone = $crate::command::alone! { $($code)* };
        $crate::command::Seen { std: Some(std), ..alone }
    }};
}

/// Runs the code with anyfork's types alone.
macro_rules! alone {
    ($($code:tt)*) => {{
        #[allow(unused_imports)]
        let anyfork = {
            use crate::command::signals::AsStd as _;
            use anyfork::{Command, Stdio};
            $($code)*
        };
        $crate::command::Seen { std: None, anyfork, skipped: None }
    }};
}

use {alone, both, cases};

const TABLES: [&[(&str, Case)]; 12] = [
    directory::CASES,
    endings::CASES,
    environment::CASES,
    faces::CASES,
    forks::CASES,
    parallel::CASES,
    path::CASES,
    rights::CASES,
    signals::CASES,
    sizes::CASES,
    stdio::CASES,
    users::CASES,
];

/// `start`: whether the default template is there before the case changes anything (`warm`), or is started in the midst of it (`cold`).
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let [name, start, place] = arguments else { return Err("which case, how, and where?".into()) };
    let (_, case) = TABLES.iter().flat_map(|table| *table).find(|(other, _)| other == name).ok_or("no such case")?;
    fs::create_dir_all(place)?;
    if *start == "warm" {
        anyfork::Command::new("true").status()?;
    }
    let Seen { std, anyfork, skipped } = case(Path::new(place));
    let told = |text: String| text.replace(place, "@");
    say("skipped", skipped.unwrap_or_default());
    say("std", std.map_or_else(|| "otherwise".into(), told));
    say("anyfork", told(anyfork));
    Ok(())
}

fn skipped(why: &'static str) -> Seen {
    Seen { std: None, anyfork: String::new(), skipped: Some(why) }
}

fn shown(what: impl Show) -> String {
    what.show()
}

/// A script `name` below `place`, with this mode.
fn file(place: &Path, name: impl AsRef<Path>, text: &str, mode: u32) -> PathBuf {
    let path = place.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// A program that says `word` and its arguments.
fn tool(place: &Path, name: impl AsRef<Path>, word: &str) -> PathBuf {
    file(place, name, &format!("#!/bin/sh\necho {word} \"$@\"\n"), 0o755)
}

fn set(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
    // SAFETY: nobody else looks at the environment: this program has one thread.
    unsafe { std::env::set_var(name, value) }
}

fn unset(name: &str) {
    // SAFETY: as above.
    unsafe { std::env::remove_var(name) }
}
