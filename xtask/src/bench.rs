//! The comparison with other systems: built as benchmarks are, and run.

use crate::steps;
use crate::system::cargo;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Builds it, and becomes it: what it says of its arguments, and how it ends, is its own affair.
pub(crate) fn run<'a>(arguments: impl Iterator<Item = &'a OsString>) -> Result<(), String> {
    let mut build = Command::new(cargo());
    build.current_dir(steps::root()).args(["build", "--profile=bench", "--package=anyfork-compare"]);
    match build.status() {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("building the comparison failed: {status}")),
        Err(error) => return Err(format!("cargo could not be started: {error}")),
    }
    // Where the profile `bench` puts its programs.
    let program = steps::target().join("release/compare");
    Err(format!("{}: {}", program.display(), Command::new(&program).args(arguments).exec()))
}
