//! Processes that end, are dropped or given up, while the host does nothing more.

use crate::{Outcome, entries, list, parked, pause, release, say};
use anyfork::{ErrorKind, Process};
use std::time::Duration;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["idle", witness] => idle(witness),
        ["dropped-template"] => dropped_template(),
        ["dropped-template-here"] => dropped_template_here(),
        ["kept-template-here"] => kept_template_here(),
        ["dropped-workers", witness] => dropped_workers(witness),
        ["given-up", how, witness] => given_up(how, witness),
        _ => Err("zombies of what?".into()),
    }
}

fn idle(witness: &str) -> Outcome {
    let template = Process::new().template()?;
    let dropped = template.fork().template()?;
    let mut ended = Vec::new();
    for process in [Process::new(), Process::exec(), template.fork(), dropped.fork()] {
        let (worker, _) = parked(process)?;
        release(&worker, 1);
        ended.push(worker);
    }
    let (orphan, _) = parked(dropped.fork())?;
    drop(dropped);
    release(&orphan, 2);
    let failing = |process: Process| process.call(entries::fail_to_prepare, [""; 0]);
    assert!(failing(Process::new()).template().is_err());
    assert!(failing(template.fork()).run(entries::nothing).is_err());
    for _ in 0..5 {
        drop(template.fork().start(entries::nothing));
        drop(Process::new().call(entries::prepare_for_ever, [witness]).start(entries::nothing));
    }
    // Nothing is asked for: no status is waited for, and no order is given.
    pause("idle");
    Ok(())
}

fn dropped_template() -> Outcome {
    let template = Process::new().template()?;
    say("template", template.pid());
    let free = (0..3).map(|_| parked(template.fork())).collect::<Result<Vec<_>, _>>()?;
    let nested = template.fork().template()?;
    say("nested", nested.pid());
    say("workers", list(free.iter().map(|(worker, _)| worker.pid())));
    pause("before");
    drop(template);
    pause("dropped");
    for (code, (worker, _)) in (10..).zip(&free) {
        release(worker, code);
    }
    let ends = free.iter().map(|(worker, _)| worker.wait()).collect::<Result<Vec<_>, _>>()?;
    say("codes", list(ends.iter().map(|end| end.code().unwrap_or(-1))));
    say("usage", ends.iter().all(|end| end.usage().is_some_and(|usage| usage.peak_memory > 0)));
    say("nested-works", nested.fork().run(entries::nothing)?.wait()?.success());
    let keeping = Process::new().template()?;
    let (bound, _) = parked(keeping.fork().die_with_owner(true))?;
    say("bound", bound.pid());
    say("keeping", keeping.pid());
    drop(keeping);
    pause("bound-orphaned");
    Ok(())
}

/// Its orphans are adopted by the system, not by the default template.
fn dropped_template_here() -> Outcome {
    let template = anyfork::template_here()?;
    let (worker, _) = parked(template.fork())?;
    say("template", template.pid());
    pause("before");
    drop(template);
    pause("dropped");
    release(&worker, 13);
    match worker.wait() {
        Err(error) if error.kind() == ErrorKind::Lost => say("end", "lost"),
        end => say("end", end?),
    }
    Ok(())
}

/// Kept by a worker that is bound to this program, longer than any handle to it.
fn kept_template_here() -> Outcome {
    let template = anyfork::template_here()?;
    let (worker, _) = parked(template.fork().die_with_owner(true))?;
    say("template", template.pid());
    say("worker", worker.pid());
    // Without its socket it would end.
    let socket = worker.socket().try_clone()?;
    drop((template, worker));
    pause("dropped");
    drop(socket);
    pause("ended");
    Process::new().run(entries::nothing)?.wait()?;
    pause("used-next");
    Ok(())
}

fn dropped_workers(witness: &str) -> Outcome {
    let worker = Process::new().arg(witness).run(entries::go_on_after_eof)?;
    say("plain", worker.pid());
    drop(worker);
    let (killed, _) = parked(Process::new().kill_on_drop(true))?;
    say("killed", killed.pid());
    pause("killed-lives");
    drop(killed);
    let detached = format!("{witness}.detached");
    let worker = Process::new().kill_on_drop(true).arg(detached.as_str()).run(entries::go_on_after_eof)?;
    say("detached", worker.pid());
    worker.detach();
    pause("dropped");
    Ok(())
}

/// A preparation that never ends, and nobody who wants it.
fn given_up(how: &str, witness: &str) -> Outcome {
    let process = Process::new().call(entries::prepare_for_ever, [witness]);
    pause("preparing");
    match how {
        "process" => drop(process),
        "start" => drop(process.start(entries::nothing)),
        "deadline" => {
            let failed = process.deadline(Duration::from_millis(100)).run(entries::nothing);
            say("kind", format!("{:?}", failed.unwrap_err().kind()));
        }
        "template" => drop(process.start_template()),
        _ => return Err("given up how?".into()),
    }
    pause("given-up");
    Ok(())
}
