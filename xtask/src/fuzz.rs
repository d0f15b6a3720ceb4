//! The fuzzers. They take a nightly compiler; what they have found is replayed by the tests, which do not.

use crate::steps::root;
use crate::system::succeeds;
use std::process::Command;

/// What there is to be fuzzed, as in `fuzz/Cargo.toml`.
pub(crate) const TARGETS: [&str; 6] = ["frames", "orders", "replies", "handover", "programs", "template"];

/// What must be there, how that is seen, and how it is had.
const NEEDS: [(&str, &[&str], &str); 2] = [
    ("a nightly compiler", &["cargo", "--version"], "rustup toolchain install nightly"),
    ("cargo-fuzz", &["cargo", "fuzz", "--version"], "cargo install cargo-fuzz"),
];

/// Fuzzes these targets, one after the other, for so many minutes each.
///
/// What is new goes to `fuzz/work`, and from there into the repository's corpus if it is to be kept: as far as it does what no other input does.
pub(crate) fn run(targets: &[&str], minutes: u32, keeps: bool) -> Result<(), String> {
    for (what, command, remedy) in NEEDS {
        if !succeeds(nightly().args(command)) {
            return Err(format!("{what} is missing; install it: {remedy}"));
        }
    }
    for target in targets {
        let [kept, work] = ["corpus", "work"].map(|kind| format!("fuzz/{kind}/{target}"));
        std::fs::create_dir_all(root().join(&work)).map_err(|error| format!("{work}: {error}"))?;
        // What is new goes to the first.
        fuzz(target, &[&work, &kept, &format!("-max_total_time={}", 60 * minutes)])?;
        if keeps {
            fuzz(target, &["-merge=1", &kept, &work])?;
        }
    }
    Ok(())
}

fn fuzz(target: &str, arguments: &[&str]) -> Result<(), String> {
    eprintln!("== {target}");
    let mut command = nightly();
    command.args(["cargo", "fuzz", "run", "--fuzz-dir=fuzz", target]);
    match target {
        // Its processes are forked again and again. It has one thread, so none that looks at its memory.
        "template" => command.args(["--sanitizer=none", "--", "-rss_limit_mb=0", "-timeout=60"]),
        _ => command.args(["--", "-rss_limit_mb=1024", "-malloc_limit_mb=64", "-timeout=10"]),
    };
    command.args(["-max_len=4096"]).args(arguments);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{target}: {status}; the input is in fuzz/artifacts/{target}")),
        Err(error) => Err(format!("rustup could not be started: {error}")),
    }
}

fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).current_dir(root());
    command
}
