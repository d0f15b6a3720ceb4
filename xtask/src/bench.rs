//! The comparison with other systems: built as benchmarks are, and run.

use crate::steps;
use crate::system::{self, cargo};
use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// What the comparison calls itself if it is linked statically.
const STATIC: &str = "anyfork-static";

/// Builds it, and becomes it: what it says of its arguments, and how it ends, is its own affair.
pub(crate) fn run(arguments: &[&OsString]) -> Result<(), String> {
    build(&[], None).map_err(|error| format!("the comparison: {error}"))?;
    // Where the profile `bench` puts its programs.
    let file = steps::target().join("release/compare");
    let mut program = Command::new(&file);
    let has = |wanted: &str| arguments.iter().any(|argument| *argument == wanted);
    if !has("--system") || has(STATIC) {
        match build_static() {
            Ok(file) => drop(program.env("ANYFORK_COMPARE_STATIC", file)),
            Err(error) => eprintln!("xtask: it cannot be linked statically here: {error}"),
        }
    }
    Err(format!("{}: {}", file.display(), program.args(arguments).exec()))
}

/// Once more, without shared libraries.
fn build_static() -> Result<PathBuf, String> {
    let host = system::host();
    let directory = steps::target().join("static");
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    // Only with a target of their own are they for the program alone, and not for what runs while it is compiled.
    let options = [format!("--target={host}"), format!("--target-dir={}", directory.display())];
    build(&options, Some(format!("{flags} {}", system::LINK_STATICALLY).trim_start()))?;
    Ok(directory.join(host).join("release/compare"))
}

fn build(options: &[String], flags: Option<&str>) -> Result<(), String> {
    let mut build = Command::new(cargo());
    build.current_dir(steps::root()).args(["build", "--profile=bench", "--package=anyfork-compare"]).args(options);
    build.envs(flags.map(|flags| ("RUSTFLAGS", flags)));
    match build.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo ended with {status}")),
        Err(error) => Err(format!("cargo could not be started: {error}")),
    }
}
