//! A virtual environment with numpy, in the target directory: what an example, its test and a benchmark import in templates.

use crate::steps;
use crate::system::succeeds;
use std::path::Path;
use std::process::Command;

const NUMPY: &str = "numpy>=1.26,<3";

/// Makes it, unless it is there.
pub(crate) fn prepare() -> Result<(), String> {
    let directory = steps::target().join("venv");
    let python = directory.join("bin/python3");
    if has_numpy(&python) {
        return Ok(());
    }
    eprintln!("== installing {NUMPY} into {}", directory.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", NUMPY]))?;
    if has_numpy(&python) { Ok(()) } else { Err(format!("{NUMPY} was installed, but cannot be imported")) }
}

fn has_numpy(python: &Path) -> bool {
    succeeds(Command::new(python).args(["-c", "import numpy"]))
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} failed: {status}")),
        Err(error) => Err(format!("{command:?} could not be started: {error}")),
    }
}
