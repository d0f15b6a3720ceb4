//! Templates that are restarted while something goes wrong.

use crate::faults::kind_of;
use crate::foreign::{fork_and_wait, leave, shown};
use crate::{Outcome, entries, list, parked, pause, release, say};
use anyfork::{Process, Restarts, Template};
use anyfork_tests::{all_end_soon, open_files, signal};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use std::fs::{self, File};
use std::time::Duration;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["descriptors"] => descriptors(),
        ["forked"] => forked(),
        ["under-way", witness] => under_way(witness),
        ["again-and-again"] => again_and_again(),
        _ => Err("a restart of what?".into()),
    }
}

fn template(restarts: Restarts) -> anyfork::Result<Template> {
    let file = File::open("/dev/null").expect("it is always there");
    Process::new().restarts(restarts).fds([&file; 20]).template()
}

fn open() -> Vec<String> {
    open_files(std::process::id())
}

/// The limit with which so many more can be opened: it is one of numbers.
fn room_for(more: usize) -> Option<u64> {
    let numbers = anyfork_tests::descriptors(std::process::id());
    (0..).filter(|number| !numbers.contains_key(number)).nth(more).map(u64::from)
}

fn limit(most: Option<u64>) -> Outcome {
    Ok(setrlimit(Resource::Nofile, Rlimit { current: most, ..getrlimit(Resource::Nofile) })?)
}

fn kill(pid: u32) {
    signal(pid, Signal::KILL);
    all_end_soon(&[pid]);
}

fn descriptors() -> Outcome {
    assert!(Process::new().run(entries::nothing)?.wait()?.success());
    let usual = getrlimit(Resource::Nofile).current;
    let before = open();
    let by_hand = template(Restarts::by_hand())?;
    let automatic = template(Restarts::automatic().backoff(Duration::ZERO..=Duration::ZERO))?;
    say("kept", open().len() - before.len());
    limit(room_for(10))?;
    let error = by_hand.restart().map_or_else(|error| error, |()| panic!("it was restarted"));
    say("by-hand", format!("{:?} {} {error}", error.kind(), error.raw_os_error().unwrap_or(0)));
    say("still-there", kind_of(by_hand.fork().run(entries::accept)));
    kill(automatic.pid());
    let error = automatic.fork().run(entries::accept).map_or_else(|error| error, |_| panic!("it was restarted"));
    say("automatic", format!("{:?} {error}", error.kind()));
    limit(usual)?;
    for template in [&by_hand, &automatic] {
        assert!(template.fork().run(entries::accept)?.wait()?.success());
        for _ in 0..3 {
            template.restart()?;
        }
        assert!(template.fork().run(entries::accept)?.wait()?.success());
    }
    say("kept-afterwards", open().len() - before.len());
    drop((by_hand, automatic));
    say("nothing-stays", open() == before);
    Ok(())
}

fn forked() -> Outcome {
    let template = template(Restarts::automatic())?;
    let restart = template.start_restart();
    let pid = template.pid();
    if fork_and_wait() == 0 {
        say("restart", shown(template.restart()));
        say("fresh", shown(template.fresh()));
        say("fork", shown(template.fork().run(entries::accept)));
        say("command", shown(template.command("true").spawn()));
        say("spares", shown(template.spares(1..=1)));
        say("started", shown(restart.wait()));
        drop(template);
        leave();
    }
    say("is-there", template.pid() == pid && template.fork().run(entries::accept)?.wait()?.success());
    restart.wait()?;
    say("is-new", template.pid() != pid && template.fork().run(entries::accept)?.wait()?.success());
    Ok(())
}

/// Tells its number, and gets ready when that is taken away.
#[anyfork::entry]
fn wait_for_permission(witness: String) -> std::io::Result<()> {
    entries::note(&witness, &std::process::id().to_string());
    while fs::exists(&witness)? {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A restart in the midst of its preparation.
fn under_way(witness: &str) -> Outcome {
    let template = Process::new().restarts(Restarts::by_hand()).call(wait_for_permission, [witness]).template()?;
    let (worker, _) = parked(template.fork())?;
    say("template", template.pid());
    let restart = template.start_restart();
    pause("disturb");
    say("restart", kind_of(restart.wait()));
    say("still-there", kind_of(template.fork().run(entries::nothing)));
    let restart = template.start_restart();
    pause("permit");
    say("again", kind_of(restart.wait()));
    say("still-works", kind_of(template.fork().run(entries::nothing)));
    release(&worker, 7);
    say("code", worker.wait()?.code().unwrap_or(-1));
    Ok(())
}

/// Killed and restarted, by hand and by itself.
fn again_and_again() -> Outcome {
    let template = template(Restarts::automatic().backoff(Duration::ZERO..=Duration::ZERO).limit(u32::MAX))?;
    template.spares(1..=2)?;
    let mut workers = Vec::new();
    for turn in 0..20 {
        match turn % 4 {
            0 => kill(template.pid()),
            1 => template.restart()?,
            2 => drop(template.start_restart()),
            _ => kill(anyfork_tests::children(std::process::id())[0]),
        }
        workers.push(parked(template.fork())?.0);
    }
    workers.iter().zip(0..).for_each(|(worker, code)| release(worker, code));
    let codes = workers.iter().map(|worker| Ok(worker.wait()?.code().unwrap_or(-1)));
    say("codes", list(codes.collect::<anyfork::Result<Vec<_>>>()?));
    drop((template, workers));
    // The last one that was killed was the default template.
    assert!(Process::new().run(entries::nothing)?.wait()?.success());
    pause("alone");
    Ok(())
}
