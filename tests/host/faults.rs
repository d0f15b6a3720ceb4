//! Templates that are killed or stopped while something is under way.

use crate::{Outcome, entries, list, parked, pause, release, say};
use anyfork::{Error, Process, Starting, Template, Worker};
use anyfork_tests::descriptors;
use std::time::{Duration, Instant};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["killed-template"] => leaves_nothing(killed_template),
        ["killed-default"] => leaves_nothing(killed_default),
        ["stopped", kind, witness] => stopped(kind, witness),
        ["dropped-while-stopped", kind, witness] => dropped_while_stopped(kind, witness),
        _ => Err("which fault?".into()),
    }
}

/// What is open here afterwards, more than before. What is made once is there before.
fn leaves_nothing(scenario: fn() -> Outcome) -> Outcome {
    assert!(Process::new().run(entries::nothing)?.wait()?.success());
    let open = || descriptors(std::process::id()).len();
    let before = open();
    scenario()?;
    say("left", open() as i64 - before as i64);
    pause("look-after");
    Ok(())
}

fn workers(make: impl Fn() -> Process) -> anyfork::Result<Vec<Worker>> {
    (0..3).map(|_| parked(make()).map(|(worker, _)| worker)).collect()
}

/// Ends them with different codes, and tells the codes that came back.
fn end(workers: &[Worker]) -> Result<String, Error> {
    for (code, worker) in (20..).zip(workers) {
        release(worker, code);
    }
    let codes = workers.iter().map(|worker| worker.wait().map(|status| status.code().unwrap_or(-1)));
    Ok(list(codes.collect::<Result<Vec<_>, _>>()?))
}

pub(crate) fn kind_of<T>(result: anyfork::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |_| "none".into())
}

fn killed_template() -> Outcome {
    let template = Process::new().template()?;
    let live = workers(|| template.fork())?;
    let (dead, _) = parked(template.fork())?;
    say("template", template.pid());
    pause("stop-it");
    let starting: Vec<Starting<Worker>> = (0..5).map(|_| template.fork().start(entries::nothing)).collect();
    // It ends while nobody is able to wait for it.
    dead.signal(libc::SIGTERM)?;
    pause("kill-it");
    say("in-flight", list(starting.into_iter().map(|starting| kind_of(starting.wait()))));
    say("later", kind_of(template.fork().run(entries::nothing)));
    say("live", list(live.iter().map(|worker| u8::from(worker.try_wait().is_ok_and(|status| status.is_none())))));
    say("dead", dead.wait()?.signal().unwrap_or(-1));
    say("codes", end(&live)?);
    say("another", Process::new().template()?.fork().run(entries::nothing)?.wait()?.success());
    Ok(())
}

fn killed_default() -> Outcome {
    let live = workers(Process::new)?;
    let template = Process::new().template()?;
    let below = workers(|| template.fork())?;
    pause("kill-it");
    say("next", Process::new().run(entries::nothing)?.wait()?.success());
    say("codes", end(&live)?);
    say("template-works", template.fork().run(entries::nothing)?.wait()?.success());
    say("codes-below", end(&below)?);
    Ok(())
}

fn stopped(kind: &str, witness: &str) -> Outcome {
    let template = Process::new().template()?;
    say("template", template.pid());
    let process = match kind {
        "template" => template.fork(),
        "default" => Process::new(),
        "exec" => Process::exec(),
        _ => return Err("which one is stopped?".into()),
    };
    pause("stop-it");
    let begin = Instant::now();
    let failed = process.arg(witness).deadline(Duration::from_millis(200)).run(entries::leave_a_sign);
    say("kind", kind_of(failed));
    say("took", begin.elapsed().as_millis());
    pause("continue-it");
    works_again(&template)
}

fn works_again(template: &Template) -> Outcome {
    for process in [template.fork(), Process::new(), Process::exec()] {
        assert!(process.run(entries::nothing)?.wait()?.success());
    }
    pause("works-again");
    Ok(())
}

fn dropped_while_stopped(kind: &str, witness: &str) -> Outcome {
    let template = Process::new().template()?;
    say("template", template.pid());
    pause("stop-it");
    let begin = Instant::now();
    match kind {
        "start" => drop(template.fork().arg(witness).start(entries::leave_a_sign)),
        _ => drop(template.fork().call(entries::leave_a_sign, [witness]).start(entries::nothing)),
    }
    say("took", begin.elapsed().as_millis());
    pause("continue-it");
    works_again(&template)
}
