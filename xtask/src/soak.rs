//! The soak, and the tests that are too slow for every day.

use crate::steps;
use std::ffi::OsString;

/// Who says one of these wants nothing more than that.
const ALONE: [&str; 4] = ["--short", "--soak", "--help", "-h"];

/// Builds the soak and runs it, then the slow tests.
pub(crate) fn run(arguments: &[&OsString]) -> Result<(), String> {
    let mut all = vec![steps::soak(arguments.iter().map(|argument| argument.to_string_lossy()))];
    let is_alone = |argument: &str| ALONE.contains(&argument.split('=').next().unwrap_or(argument));
    if !arguments.iter().any(|argument| is_alone(&argument.to_string_lossy())) {
        all.push(steps::slow_tests());
    }
    steps::run_all(&all)
}
