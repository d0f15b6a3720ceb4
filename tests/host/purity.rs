//! What a host looks like before and after it uses anyfork, and anyfork used inside a worker.

use crate::{Outcome, entries, list, pause, say};
use anyfork::Process;
use anyfork_tests::{children, status};
use std::process::ExitCode;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["traces"] => traces(),
        ["recursive", kind] => recursive(kind),
        _ => Err("purity of what?".into()),
    }
}

/// What anyfork could leave in a program: threads, handlers, a mask.
fn state() -> String {
    let fields = ["Threads", "SigCgt", "SigIgn", "SigBlk"];
    list(fields.map(|field| status(std::process::id(), field)))
}

fn traces() -> Outcome {
    say("before", state());
    let template = Process::new().template()?;
    let nested = template.fork().template()?;
    let processes = [Process::new(), Process::exec(), template.fork(), nested.fork()];
    let workers = processes.map(|process| process.run(entries::park).unwrap());
    say("during", state());
    say("children", children(std::process::id()).len());
    for worker in &workers {
        crate::release(worker, 0);
        worker.wait()?;
    }
    drop((template, nested, workers));
    say("after", state());
    Ok(())
}

fn recursive(kind: &str) -> Outcome {
    let (process, _template) = crate::origin(kind)?;
    let worker = process.arg(3).run(descend)?;
    say("code", worker.wait()?.code().unwrap_or(-1));
    pause("done");
    Ok(())
}

/// Starts a worker of its own, which does the same; its exit code is how deep that went.
#[anyfork::entry]
fn descend(depth: u8) -> anyfork::Result<ExitCode> {
    if depth == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let template = Process::new().template()?;
    let below = template.fork().arg(depth - 1).run(descend)?;
    let below = below.wait()?.code().unwrap_or(100);
    Ok(ExitCode::from(below as u8 + 1))
}
