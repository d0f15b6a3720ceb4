//! Two programs in C that show what the machine can do. They are compiled when they are needed, beside this program.

use crate::plan::SMALL;
use crate::system::{compiler, peers};
use crate::wire::{Reply, Request};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many a program is started with, of which the first may be slow.
const FEWEST: f64 = 100.0;

/// The programs that have been compiled, and the last rate of each, by which the next count is chosen.
#[derive(Default)]
pub(crate) struct Limits {
    programs: BTreeMap<String, Result<PathBuf, String>>,
    rates: BTreeMap<(String, usize), f64>,
}

impl Limits {
    /// Runs one, with so many megabytes resident in its client.
    pub(crate) fn measure(&mut self, request: &Request, mib: u64) -> Reply {
        let Request { system, in_flight, length, .. } = request;
        let program = self.programs.entry(system.clone()).or_insert_with(|| compile(system));
        let program = match program {
            Ok(program) => program,
            Err(why) => return Reply::Failed(why.clone()),
        };
        let last = self.rates.entry((system.clone(), *in_flight)).or_insert(1000.0);
        let batches = (*last * length.as_secs_f64()).max(FEWEST) as usize / in_flight;
        // The smallest size is nothing more than the program itself.
        let mib = if mib > SMALL { mib } else { 0 };
        match run(program, &[batches.max(3) * in_flight, *in_flight, mib as usize]) {
            Ok(rate) => {
                *last = rate;
                Reply::Rate(rate)
            }
            Err(why) => Reply::Failed(why),
        }
    }
}

fn compile(system: &str) -> Result<PathBuf, String> {
    let source = peers().join(system.trim_start_matches("limit-")).with_extension("c");
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let directory = own.parent().unwrap_or(Path::new("."));
    // Another comparison may do the same now.
    let fresh = directory.join(format!("{system}-{}", std::process::id()));
    let output = Command::new(compiler()).arg("-O2").arg(source).arg("-o").arg(&fresh).output();
    let output = output.map_err(|error| format!("the C compiler: {error}"))?;
    if !output.status.success() {
        return Err(format!("the C compiler: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let program = directory.join(system);
    std::fs::rename(&fresh, &program).map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(program)
}

fn run(program: &Path, arguments: &[usize]) -> Result<f64, String> {
    let arguments = arguments.iter().map(usize::to_string);
    let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}
