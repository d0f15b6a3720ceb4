//! One process of each kind, to be looked at with `ps`.

use crate::{Outcome, parked, pause, release, say};
use anyfork::Process;

pub(crate) fn run(_: &[&str]) -> Outcome {
    let template = Process::new().template()?;
    let named = Process::new().name("a template").template()?;
    say("template", template.pid());
    say("named-template", named.pid());
    let processes = [
        ("default-worker", Process::new()),
        ("worker", template.fork()),
        ("exec-worker", Process::exec()),
        ("worker-of-named", named.fork()),
        ("named-worker", template.fork().name("x")),
        ("named-exec", Process::exec().name("y")),
        ("long", template.fork().name("n".repeat(1000))),
    ];
    let mut workers = Vec::new();
    for (key, process) in processes {
        let (worker, _) = parked(process)?;
        say(key, worker.pid());
        workers.push(worker);
    }
    pause("ready");
    workers.iter().for_each(|worker| release(worker, 0));
    Ok(())
}
