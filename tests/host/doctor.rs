//! A host that asks `anyfork::doctor()`, in places where this and that is missing, and then does what the answer is about.

#[path = "doctor/places.rs"]
mod places;

use crate::{Outcome, entries, list, pause, say};
use anyfork::{Command, Diagnosis, Error, Namespaces, Process, Worker, doctor};
use anyfork_tests::{children, descriptors, status};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["plain"] => plain(),
        ["denied", call, errno] => denied(call, errno.parse()?),
        ["without-proc"] => without_proc(),
        ["few-descriptors"] => few_descriptors(),
        ["room", limit] => room(limit.parse()?),
        ["threads"] => threads(),
        ["closed-streams"] => closed_streams(),
        ["other-user", user] => other_user(user.parse()?),
        ["set-user-id", user] => set_user_id(user.parse()?),
        ["memory-files"] => memory_files(),
        _ => Err("doctor where?".into()),
    }
}

/// Tells all findings: `NAME state presence`, `NAME seen ...`, `NAME lost ...`, with `_` for spaces in the name.
fn tell(diagnosis: &Diagnosis) {
    for finding in diagnosis.findings() {
        let name = finding.name.replace(' ', "_");
        say(&name, format!("{:?}", finding.presence));
        say(&format!("{name}:seen"), &finding.seen);
        say(&format!("{name}:lost"), &finding.lost);
    }
    say("workers:count", diagnosis.workers().map_or_else(|| "none".into(), |count| count.to_string()));
}

fn shown<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => "none".into(),
        Err(error) => format!("{:?} {} {error}", error.kind(), error.raw_os_error().unwrap_or(0)),
    }
}

/// What may not be different afterwards.
fn state() -> String {
    let own = std::process::id();
    let fields = ["Threads", "SigCgt", "SigIgn", "SigBlk", "NoNewPrivs", "Seccomp"].map(|field| status(own, field));
    format!("{} {:?} {:?}", list(fields), descriptors(own), children(own))
}

fn plain() -> Outcome {
    let before = state();
    let diagnosis = doctor();
    let after = state();
    say("changed", if before == after { "nothing".into() } else { format!("{before} to {after}") });
    say("kernel", diagnosis.kernel());
    tell(&diagnosis);
    // With its default template, too.
    let worker = Process::new().run(entries::park)?;
    let before = state();
    tell(&doctor());
    say("later", if before == state() { "nothing".into() } else { format!("{before} to {}", state()) });
    crate::release(&worker, 0);
    worker.wait()?;
    pause("look");
    Ok(())
}

/// After what the answer says has been said, does it.
fn denied(call: &str, errno: i32) -> Outcome {
    let ended = |worker: Worker| worker.wait().map(drop);
    let inherited = File::open("/dev/null")?;
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty())?;
    places::deny(call, errno)?;
    tell(&doctor());
    let worker = match crate::parked(Process::new()) {
        Ok((worker, _)) => worker,
        failed => {
            say("worker", shown(failed));
            return Ok(());
        }
    };
    say("worker", "none");
    say("pidfd", worker.pidfd().is_some());
    say("worker-pid", worker.pid());
    pause("look");
    say("large", shown(Process::new().arg(vec![b'x'; 100_000]).run(entries::accept).and_then(ended)));
    say("here", shown(anyfork::template_here()));
    say("command", shown(Command::new("true").status()));
    say("names", shown(Command::new("true").namespaces(Namespaces::UTS | Namespaces::CGROUP).status()));
    say("kill", shown(worker.kill()));
    say("status", worker.wait()?);
    Ok(())
}

fn without_proc() -> Outcome {
    places::unmount_proc()?;
    tell(&doctor());
    say("start", shown(Process::new().run(entries::nothing)));
    say("early", shown(anyfork::early()));
    tell_again("exec_of_this_program:seen", "exec of this program");
    say("start-again", shown(Process::new().run(entries::nothing)));
    Ok(())
}

/// What is seen of one thing by now.
fn tell_again(key: &str, name: &str) {
    let diagnosis = doctor();
    say(key, diagnosis.finding(name).map_or("", |finding| &finding.seen));
}

/// No descriptor is free: nothing can be opened, and nothing may go wrong.
fn few_descriptors() -> Outcome {
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..usual })?;
    let diagnosis = doctor();
    setrlimit(Resource::Nofile, usual)?;
    tell(&diagnosis);
    Ok(())
}

/// How many workers there can be, and how many there are when no more can be started.
fn room(limit: u64) -> Outcome {
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), ..usual })?;
    tell(&doctor());
    let mut workers = Vec::new();
    let failed = loop {
        match Process::new().run(entries::park) {
            Ok(worker) => workers.push(worker),
            Err(error) => break error,
        }
    };
    say("started", workers.len());
    say("failed", shown::<()>(Err(failed)));
    drop(workers);
    Ok(())
}

fn threads() -> Outcome {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let other = std::thread::Builder::new().name("lingerer".into()).spawn(move || receiver.recv())?;
    anyfork_tests::within(anyfork_tests::LONG, "the thread has its name", || {
        let diagnosis = doctor();
        let forks = diagnosis.finding("fork of this program")?;
        forks.seen.contains("lingerer").then(|| tell(&diagnosis))
    });
    say("here", shown(anyfork::template_here()));
    say("start", shown(Process::new().run(entries::nothing)));
    drop(sender);
    let _ = other.join();
    Ok(())
}

/// What is opened meanwhile gets the number of what was closed.
fn closed_streams() -> Outcome {
    // SAFETY: nobody reads standard input any more.
    unsafe { libc::close(0) };
    let before = descriptors(std::process::id());
    tell(&doctor());
    say("changed", before != descriptors(std::process::id()));
    Ok(())
}

/// As a user without privileges.
fn other_user(user: u32) -> Outcome {
    rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user))?;
    tell(&doctor());
    say("uid", shown(Command::new("true").uid(user + 1).status()));
    say("start", shown(Process::new().run(entries::nothing)));
    Ok(())
}

/// With an effective user that is not the real one.
fn set_user_id(user: u32) -> Outcome {
    // SAFETY: a number; this process has one thread.
    if unsafe { libc::seteuid(user) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    tell(&doctor());
    say("start", Process::new().run(entries::nothing).map_or_else(|error| error.to_string(), |_| "none".into()));
    Ok(())
}

/// Where the kernel wants all memory files to be such that are never executed.
fn memory_files() -> Outcome {
    tell(&doctor());
    say("large", shown(Process::new().arg(vec![b'x'; 100_000]).run(entries::accept).and_then(|worker| worker.wait())));
    Ok(())
}
