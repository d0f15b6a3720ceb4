//! A family of every kind of process, for a test that kills the host.

use crate::{Outcome, entries, list, parked, pause, say};
use anyfork::{Process, Template};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let [witness, how] = arguments else { return Err("owner, where, how?".into()) };
    let templates = templates()?;
    let origins = || templates.iter().map(Template::fork).chain([Process::new(), Process::exec()]);
    let mut bound = Vec::new();
    let mut free = Vec::new();
    let mut preparing = Vec::new();
    for (number, process) in origins().enumerate() {
        let path = format!("{witness}.preparing.{number}");
        preparing.push(process.call(entries::prepare_for_ever, [path]));
    }
    for process in origins() {
        bound.push(parked(process.die_with_owner(true))?.0);
    }
    for process in origins().filter(|_| *how == "prepared") {
        // Bound only after it has been prepared.
        bound.push(parked(process.call(entries::nothing, [""; 0]).die_with_owner(true))?.0);
    }
    for (number, process) in origins().enumerate() {
        let path = format!("{witness}.free.{number}");
        free.push(process.arg(path).run(entries::go_on_after_eof)?);
    }
    say("templates", list(templates.iter().map(Template::pid)));
    say("bound", list(bound.iter().map(anyfork::Worker::pid)));
    say("free", list(free.iter().map(anyfork::Worker::pid)));
    if *how == "forked" {
        say("child", fork_a_child());
    }
    pause("ready");
    drop(preparing);
    Ok(())
}

/// One below the default template, one below that, and one whose template was dropped.
fn templates() -> anyfork::Result<Vec<Template>> {
    let outer = Process::new().template()?;
    let inner = outer.fork().template()?;
    let dropped = Process::new().template()?;
    let orphan = dropped.fork().template()?;
    drop(dropped);
    Ok(vec![outer, inner, orphan])
}

/// A child of the host's own, which has a copy of everything that is open here.
pub(crate) fn fork_a_child() -> i32 {
    // SAFETY: this program has one thread.
    match unsafe { libc::fork() } {
        0 => {
            entries::linger();
            // SAFETY: no preconditions.
            unsafe { libc::_exit(0) }
        }
        pid => pid,
    }
}
