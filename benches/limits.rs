//! The programs that anyfork is measured against: AnyEvent::Fork, and Python's forkserver.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a program measured, or why it could not be run.
pub type Rate = Result<f64, String>;

/// A program that prints creations per second.
#[derive(Debug)]
pub struct Limit {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Limit {
    /// AnyEvent::Fork, if it is installed.
    pub fn anyevent_fork() -> Result<Self, String> {
        let check = Command::new("perl").args(["-MAnyEvent::Fork", "-MEV", "-e1"]).output();
        if !check.is_ok_and(|check| check.status.success()) {
            return Err("not installed (Debian: apt-get install libanyevent-fork-perl libev-perl)".into());
        }
        let script = directory().join("anyevent.pl").to_string_lossy().into_owned();
        Ok(Limit { program: "perl".into(), arguments: vec![script] })
    }

    /// multiprocessing's forkserver in this interpreter.
    pub fn forkserver(interpreter: &Path) -> Self {
        let script = directory().join("forkserver.py").to_string_lossy().into_owned();
        Limit { program: interpreter.to_owned(), arguments: vec![script] }
    }

    /// Runs it.
    pub fn measure(&self, count: usize, in_flight: usize) -> Rate {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(count.to_string()).arg(in_flight.to_string());
        let output = command.output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A Python that may have numpy.
pub fn python() -> PathBuf {
    if let Some(chosen) = std::env::var_os("ANYFORK_PYTHON") {
        return chosen.into();
    }
    // The benchmark is in `target/release/deps`.
    let made =
        std::env::current_exe().ok().and_then(|program| Some(program.ancestors().nth(3)?.join("venv/bin/python3")));
    made.filter(|python| python.exists()).unwrap_or_else(|| "python3".into())
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("limits")
}
