//! The comparison with other systems: built as benchmarks are, and run.

use crate::steps;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What the comparison calls itself if it is linked statically.
const STATIC: &str = "anyfork-static";

/// Builds it, and becomes it: what it says of its arguments, and how it ends, is its own affair.
pub(crate) fn run(arguments: &[&OsString]) -> Result<(), String> {
    let (build, file) = steps::comparison(false);
    build.run()?;
    let mut program = Command::new(&file);
    let has = |wanted: &str| arguments.iter().any(|argument| *argument == wanted);
    if !has("--system") || has(STATIC) {
        let (build, file) = steps::comparison(true);
        match build.run() {
            Ok(()) => drop(program.env("ANYFORK_COMPARE_STATIC", file)),
            Err(error) => eprintln!("xtask: it cannot be linked statically here: {error}"),
        }
    }
    Err(format!("{}: {}", file.display(), program.args(arguments).exec()))
}
