//! More starts at once than a template's socket takes, and than there are descriptors for.

use crate::{Outcome, entries, say};
use anyfork::{Process, Starting, Worker};
use anyfork_tests::{Where, descriptors, signal, status, stop};
use futures::future::{join, join_all};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::time::Duration;

/// As many starts, where there may be so many descriptors.
const FLOOD: u64 = 10_000;

/// Longer than so many starts take on a busy machine.
const LIMIT: Duration = Duration::from_secs(100);

fn peak_memory() -> u64 {
    let kilobytes = status(std::process::id(), "VmHWM");
    kilobytes.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Descriptors of a start that has ended and is not asked yet.
const EACH: u64 = 3;

/// All other descriptors: those of starts that are under way are few.
const OTHERS: u64 = 2000;

/// As many descriptors as are needed, where this user may have them; else as many as the limit allows.
fn raise_nofile() -> rustix::io::Result<u64> {
    const NEEDED: u64 = EACH * FLOOD + OTHERS;
    let given = getrlimit(Resource::Nofile);
    let needed = Rlimit { current: Some(NEEDED), maximum: Some(given.maximum.unwrap_or(NEEDED).max(NEEDED)) };
    if setrlimit(Resource::Nofile, needed).is_err() {
        setrlimit(Resource::Nofile, Rlimit { current: given.maximum, ..given })?;
    }
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

pub(super) fn run(place: Where) -> Outcome {
    let flood = FLOOD.min(raise_nofile()?.saturating_sub(OTHERS) / EACH);
    say("flood", flood);
    place.run_for(LIMIT, async {
        let template = Process::new().start_template().await?;
        let code = |starting: Starting<Worker>| async move { starting.await?.exited().await };
        code(template.fork().arg(0).start(entries::exit_with)).await?;
        let before = peak_memory();
        // How many have started and are not asked yet depends on the machine: so none does until all are waited for.
        stop(template.pid());
        let all = (0..flood).map(|n| {
            let starting = template.fork().deadline(LIMIT).arg(n % 256).start(entries::exit_with);
            async move { (n, code(starting).await) }
        });
        let go_on = async {
            say("descriptors", descriptors(std::process::id()).len());
            signal(template.pid(), Signal::CONT);
        };
        let (results, ()) = join(join_all(all), go_on).await;
        let right = |(n, result): &(u64, anyfork::Result<anyfork::ExitStatus>)| {
            result.as_ref().is_ok_and(|status| status.code() == Some((*n % 256) as i32))
        };
        say("right", results.iter().filter(|result| right(result)).count());
        let wrong = results.iter().find(|result| !right(result));
        say("wrong", wrong.map_or_else(|| "none".into(), |wrong| format!("{wrong:?}")));
        say("kilobytes", peak_memory() - before);
        Ok(())
    })
}

/// Few descriptors from now on; returns what was allowed before.
fn starve() -> rustix::io::Result<Rlimit> {
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..usual })?;
    Ok(usual)
}

/// How many came to what: `started`, or kind and errno.
fn tell<'a>(results: impl IntoIterator<Item = &'a anyfork::Result<Worker>>) {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for result in results {
        let key = match result {
            Ok(_) => "started".to_owned(),
            Err(error) => format!("{:?}-{}", error.kind(), error.raw_os_error().unwrap_or(0)),
        };
        *counts.entry(key).or_default() += 1;
    }
    say("came-to", counts.into_iter().map(|(key, count)| format!("{key}={count}")).collect::<Vec<_>>().join(" "));
}

const STARVED: usize = 1000;

pub(super) fn starved(place: Where) -> Outcome {
    place.run_for(LIMIT, async {
        let template = Process::new().start_template().await?;
        template.fork().arg(0).start(entries::exit_with).await?.exited().await?;
        let usual = starve()?;
        let results = join_all((0..STARVED).map(|_| template.fork().start(entries::nothing))).await;
        tell(&results);
        drop(results);
        // With room, but under the same limit.
        let again = join_all((0..20).map(|n| template.fork().arg(n).start(entries::exit_with))).await;
        say("with-room", again.iter().filter(|result| result.is_ok()).count());
        setrlimit(Resource::Nofile, usual)?;
        let again = join_all((0..STARVED).map(|_| template.fork().start(entries::nothing))).await;
        say("lifted", again.iter().filter(|result| result.is_ok()).count());
        Ok(())
    })
}

pub(super) fn starved_blocking() -> Outcome {
    let template = Process::new().template()?;
    template.fork().run(entries::nothing)?.wait()?;
    let usual = starve()?;
    let starts: Vec<_> = (0..STARVED).map(|_| template.fork().start(entries::nothing)).collect();
    let results: Vec<_> = starts.into_iter().map(Starting::wait).collect();
    tell(&results);
    drop(results);
    let again = (0..20).map(|_| template.fork().run(entries::nothing));
    say("with-room", again.filter(Result::is_ok).count());
    setrlimit(Resource::Nofile, usual)?;
    let again: Vec<_> = (0..STARVED).map(|_| template.fork().run(entries::nothing)).collect();
    say("lifted", again.iter().filter(|result| result.is_ok()).count());
    Ok(())
}
