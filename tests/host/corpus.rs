//! Inputs of the fuzzer's target `template`, one after the other.

#[path = "../../fuzz/template/mod.rs"]
mod template;

use crate::{Outcome, say};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let [directory] = arguments else { return Err("which directory?".into()) };
    let files = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let mut arena = template::Arena::new()?;
    for file in &files {
        // Shown only if it fails.
        eprintln!("{}", file.path().display());
        arena.run(&std::fs::read(file.path())?);
    }
    say("inputs", files.len());
    Ok(())
}
