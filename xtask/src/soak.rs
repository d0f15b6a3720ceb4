//! The soak, and the tests that are too slow for every day.

use crate::steps;
use std::ffi::OsString;

/// Who says one of these wants nothing more than that.
const ALONE: [&str; 4] = ["--short", "--soak", "--help", "-h"];

/// Builds the soak and runs it, then the slow tests.
pub(crate) fn run(arguments: &[&OsString]) -> Result<(), String> {
    let mut all = vec![steps::soak(arguments.iter().map(|argument| argument.to_string_lossy()))];
    if !arguments.iter().any(|argument| ALONE.iter().any(|alone| *argument == alone)) {
        all.push(steps::slow_tests());
    }
    steps::run_all(&all)
}
