//! What is taken from the system if it is there: interpreters, a compiler.

use crate::names::STATIC;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Something that is needed and is not there.
pub(crate) struct Missing {
    pub(crate) system: &'static str,
    pub(crate) why: String,
}

/// Of these systems, those that cannot be measured here, and how to get them.
pub(crate) fn missing(systems: &[&'static str]) -> Vec<Missing> {
    systems.iter().filter_map(|system| why_missing(system).map(|why| Missing { system, why })).collect()
}

fn why_missing(system: &str) -> Option<String> {
    let (is_there, what): (bool, &str) = match system {
        STATIC => (
            static_program().is_some(),
            "this program linked statically, which `cargo xtask bench` builds where there is a static C library (Debian: apt-get install libc6-dev)",
        ),
        "AnyEvent::Fork" => (
            succeeds(Command::new("perl").args(["-MAnyEvent::Fork", "-MEV", "-MTime::HiRes", "-e1"])),
            "AnyEvent::Fork and EV for Perl (Debian: apt-get install libanyevent-fork-perl libev-perl; elsewhere: cpan AnyEvent::Fork EV)",
        ),
        "python-forkserver" => (
            succeeds(Command::new("python3").args(["-c", "import multiprocessing"])),
            "Python 3 as `python3` (Debian: apt-get install python3)",
        ),
        "limit-forkloop" | "limit-template" => (
            succeeds(Command::new(compiler()).arg("--version")),
            "a C compiler as `cc` or in the variable CC (Debian: apt-get install gcc libc6-dev)",
        ),
        _ => return None,
    };
    (!is_there).then(|| what.to_owned())
}

/// This program, linked statically: what builds it says where it is.
pub(crate) fn static_program() -> Option<OsString> {
    std::env::var_os("ANYFORK_COMPARE_STATIC")
}

/// The one in CC, or `cc`.
pub(crate) fn compiler() -> OsString {
    std::env::var_os("CC").unwrap_or_else(|| "cc".into())
}

/// Where the sources of what is compared with are.
pub(crate) fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The first line that a command prints; nothing if it fails.
pub(crate) fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next()?.trim().to_owned()).filter(|_| output.status.success())
}

/// Megabytes that are free, or could be.
pub(crate) fn available_memory() -> u64 {
    kib("/proc/meminfo", "MemAvailable:") >> 10
}

/// KiB of a field of a file below /proc; 0 if it is not there.
pub(crate) fn kib(file: &str, field: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
