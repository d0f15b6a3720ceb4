//! Handles that are forgotten, and handles of a thread that has ended.

use crate::{Outcome, entries, list, origin, parked, pause, say};
use anyfork::{Command, Process, Template, Worker};
use std::mem::forget;
use std::time::Duration;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["forgotten", witness] => forgotten(witness),
        ["of-an-ended-thread"] => of_an_ended_thread(),
        _ => Err("which handles?".into()),
    }
}

/// One of each kind, which will never be dropped.
fn forgotten(witness: &str) -> Outcome {
    let template = Process::new().template()?;
    let (worker, _) = parked(template.fork().kill_on_drop(true))?;
    let program = Command::new("sleep").arg("60").parent_death_signal(libc::SIGKILL).spawn()?;
    forget((worker.exited(), program.start_kill_tree()));
    forget((worker, program));
    forget(template.fork().call(entries::prepare_for_ever, [witness]));
    forget(template.fork().start(entries::nothing));
    forget(template.fork().start_template());
    forget(template);
    assert!(Process::new().run(entries::nothing)?.wait()?.success());
    pause("look");
    Ok(())
}

/// All that a program may have, made by a thread that is not there any more.
fn of_an_ended_thread() -> Outcome {
    let made = std::thread::spawn(|| -> anyfork::Result<(Vec<Template>, Vec<Worker>)> {
        let mut templates = vec![Process::new().template()?];
        let mut workers = Vec::new();
        for kind in ["default", "nested", "spare", "exec"] {
            let (process, template) = origin(kind)?;
            workers.push(parked(process.die_with_owner(true))?.0);
            templates.extend(template);
        }
        Ok((templates, workers))
    });
    let (templates, workers) = made.join().map_err(|_| "it panicked")??;
    // What was told of the end of the thread would be over by then.
    std::thread::sleep(Duration::from_millis(100));
    for worker in &workers {
        assert!(worker.try_wait()?.is_none(), "{worker:?}");
    }
    for template in &templates {
        assert!(template.fork().run(entries::nothing)?.wait()?.success());
    }
    say("processes", list(templates.iter().map(Template::pid).chain(workers.iter().map(Worker::pid))));
    pause("kill-it");
    Ok(())
}
