//! Many workers that end at once, while their template is stopped, and this program does not listen.

use crate::{Outcome, entries, pause, say};
use anyfork::{Exited, Process, Starting, Template, Worker};
use rustix::process::{Resource, getrlimit, setrlimit};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let [count] = arguments else { return Err("how many?".into()) };
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let template = Process::new().template()?;
    say("template", template.pid());
    let (ends, lives_on) = std::io::pipe()?;
    let exited = start(&template, &ends, count.parse()?)?;
    pause("stop-it");
    drop(lives_on);
    pause("asleep");
    let mut right = 0;
    for (number, exited) in exited.into_iter().enumerate() {
        right += usize::from(exited.wait()?.code() == Some((number % 251) as i32));
    }
    say("right", right);
    say("another", template.fork().run(entries::nothing)?.wait()?.success());
    Ok(())
}

/// Of each the descriptor of its end alone is kept.
fn start(template: &Template, ends: &std::io::PipeReader, count: usize) -> anyfork::Result<Vec<Exited>> {
    let mut all = Vec::new();
    while all.len() < count {
        let some = all.len()..count.min(all.len() + 64);
        let starting: Vec<Starting<Worker>> =
            some.map(|number| template.fork().arg(number % 251).fd(ends).start(entries::stay_until_end)).collect();
        for starting in starting {
            all.push(starting.wait()?.exited());
        }
    }
    Ok(all)
}
