//! What has to be known about a machine to make something of its figures.

use crate::subject::is_root;
use crate::system::first_line;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's, so the versions are those that were built.
const LOCK: &str = include_str!("../../Cargo.lock");

/// Lines for people: the machine, and what is measured on it.
pub(crate) fn describe() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default().trim().to_owned();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let pages = chosen(&read("/sys/kernel/mm/transparent_hugepage/enabled")).unwrap_or_else(|| "none".into());
    let user = if is_root() { "" } else { "; not root, so attributes are without a user" };
    let (system, release) = (read("/proc/sys/kernel/ostype"), read("/proc/sys/kernel/osrelease"));
    // Each that is closed can have the kernel look for garbage among all that are in flight.
    let sockets = read("/proc/net/unix").lines().skip(1).count();
    let mut text = format!("{system} {release}, {cpus} CPUs, huge pages: {pages}, {sockets} Unix sockets{user}\n");
    let crates = ["anyfork", "tokio", "procspawn", "zygote"].map(|name| format!("{name} {}", locked(name)));
    let _ = write!(text, "{}, {}", crates.join(", "), env!("COMPARE_RUSTC"));
    let perl = "print \"AnyEvent::Fork $AnyEvent::Fork::VERSION, Perl $^V\"";
    let others = [
        first_line(Command::new("perl").args(["-MAnyEvent::Fork", "-e", perl])),
        first_line(Command::new("python3").arg("--version")),
    ];
    others.into_iter().flatten().for_each(|version| text += &format!(", {version}"));
    text + "\n"
}

/// Where the description is kept that belongs to a file of figures.
pub(crate) fn notes_of(json: &Path) -> PathBuf {
    json.with_extension("machine.txt")
}

/// The word in brackets.
fn chosen(setting: &str) -> Option<String> {
    Some(setting.split_once('[')?.1.split_once(']')?.0.to_owned())
}

fn locked(name: &str) -> &'static str {
    let name = format!("name = \"{name}\"\nversion = \"");
    LOCK.split_once(&name).and_then(|(_, rest)| rest.split_once('"')).map_or("?", |(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_the_word_in_brackets() {
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
    }

    #[test]
    fn versions_are_those_that_were_built() {
        assert_eq!(locked("zygote"), "0.1.2");
        assert_eq!(locked("procspawn"), "1.0.2");
        assert_eq!(locked("anyfork"), "0.1.0");
    }
}
