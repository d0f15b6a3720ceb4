//! Who has entered: each worker of the model notes its number in a file.

use super::Wrong;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// The file of this program, for a sequence at a time.
pub(super) fn path() -> PathBuf {
    std::env::temp_dir().join(format!("anyfork-model-{}", std::process::id()))
}

/// In a worker.
pub(super) fn note(path: &str, number: u32) -> io::Result<()> {
    // In one write, which appending does not mix with others.
    OpenOptions::new().append(true).create(true).open(path)?.write_all(format!("{number}\n").as_bytes())
}

pub(super) fn forget() {
    let _ = fs::remove_file(path());
}

/// Nobody may have entered twice, and those not at all that were given up before they could start.
pub(super) fn check(given_up: &[u32]) -> Result<(), Wrong> {
    let text = fs::read_to_string(path()).unwrap_or_default();
    forget();
    let mut entered: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    if let Some(number) = entered.iter().find(|number| given_up.contains(number)) {
        return Err(format!("start {number} was given up before it could begin, and has been entered"));
    }
    entered.sort_unstable();
    match entered.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("start {} has been entered twice", pair[0])),
        None => Ok(()),
    }
}
