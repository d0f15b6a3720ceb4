//! Modules in a program that was started in a certain environment, and whose output is looked at.

use crate::{Outcome, entries, say};
use anyfork::{ErrorKind, NO_ARGS, Process, Worker};
use anyfork_tests::answer;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["load", file, entry] => load(file, entry),
        ["elsewhere", directory, file, entry] => elsewhere(directory, file, entry),
        ["ends", library, prefix] => ends(library, prefix),
        ["half-written", rust, c] => half_written(rust, c),
        ["half-written-by-hooks", rust] => half_written_by_hooks(rust),
        _ => Err("modules how?".into()),
    }
}

/// Loads a library and tells what its entry says, and how.
fn load(file: &str, entry: &str) -> Outcome {
    match Process::new().load(file).blocking_socket(true).run(entry) {
        Ok(worker) => say("answer", answer(&worker)),
        Err(error) => say("error", error),
    }
    Ok(())
}

/// The same after a change of the directory, which the default template has not seen.
fn elsewhere(directory: &str, file: &str, entry: &str) -> Outcome {
    drop(Process::new().template()?);
    std::env::set_current_dir(directory)?;
    load(file, entry)
}

/// Code and signal of each way to end.
fn ends(library: &str, prefix: &str) -> Outcome {
    let template = Process::new().load(library).template()?;
    let start = |entry: &str, arg: &str| template.fork().arg(arg).run(format!("{prefix}{entry}"));
    let ended = |worker: Worker| -> anyfork::Result<String> {
        let status = worker.wait()?;
        Ok(format!("{} {}", status.code().unwrap_or(-1), status.signal().unwrap_or(-1)))
    };
    let codes = ["0", "42", "255"].map(|code| Ok(start("code", code)?.wait()?.code().unwrap_or(-1)));
    let codes: Vec<i32> = codes.into_iter().collect::<anyfork::Result<_>>()?;
    say("code", format!("{} {} {} -1", codes[0], codes[1], codes[2]));
    let exits = ended(start("exits", "9")?)?;
    // It has not ended its line.
    println!();
    say("exits", exits);
    say("aborts", ended(template.fork().run(format!("{prefix}aborts"))?)?);
    say("error", ended(start("error", "an error on purpose")?)?);
    match start("panics", "a panic on purpose") {
        Err(error) if error.kind() == ErrorKind::UnknownEntry => say("panics", "none"),
        started => say("panics", ended(started?)?),
    }
    let killed = template.fork().run(format!("{prefix}stays"))?;
    killed.kill()?;
    say("killed", ended(killed)?);
    Ok(())
}

/// Half-written lines of preparations, and of workers of the template that comes out of them.
fn half_written(rust: &str, c: &str) -> Outcome {
    let process = Process::new().load(rust).load(c);
    let process = process.call("module::endings::half_written", ["rust"]).call("plain::endings::half_written", ["c"]);
    let template = process.template()?.fork().template()?;
    for (entry, arg) in [("module::endings::says", "rust"), ("plain::endings::says", "c")] {
        for _ in 0..5 {
            template.fork().arg(arg).run(entry)?.wait()?;
        }
    }
    println!();
    Ok(())
}

/// A hook that prints, in a template below the one in which it was told to, and in that one's workers.
fn half_written_by_hooks(rust: &str) -> Outcome {
    let template = Process::new().load(rust).call("module::preparations::talk", NO_ARGS).template()?;
    let template = template.fork().template()?;
    for _ in 0..3 {
        template.fork().arg("").run("module::endings::says")?.wait()?;
        template.fork().arg(0).run(entries::exit_with)?.wait()?;
    }
    println!();
    Ok(())
}
