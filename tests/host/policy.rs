//! A host that may not be forked, with the kernel to watch over it.

#[path = "policy/filter.rs"]
mod filter;

#[path = "policy/starts.rs"]
mod starts;

use crate::{Outcome, list, pause, say};
use anyfork::{Command, Policy, set_policy};
use std::os::unix::process::CommandExt;
use std::sync::Mutex;
use std::time::Duration;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["refused"] => refused(),
        ["never", when] => never(when),
        ["control", kind] => control(kind),
        ["children"] => children(),
        ["replaced"] => replaced(),
        _ => Err("which policy?".into()),
    }
}

fn shown<T>(result: anyfork::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?} {error}", error.kind()), |_| "none".into())
}

fn refused() -> Outcome {
    set_policy(Policy::NeverFork);
    say("early", shown(anyfork::early()));
    say("template-here", shown(anyfork::template_here()));
    say("command", shown(Command::new("true").status()));
    say("early-again", shown(anyfork::early()));
    set_policy(Policy::OnRequest);
    say("template-here-again", shown(anyfork::template_here()));
    pause("look-after");
    Ok(())
}

/// Everything, in a program that is killed if it is forked.
fn never(when: &str) -> Outcome {
    set_policy(Policy::NeverFork);
    if when == "later" {
        // The default template, which has no filter then.
        say("first", shown(Command::new("true").status()));
    }
    filter::kill_on_fork()?;
    say("armed", "");
    let starters: Vec<_> = (0..3).map(|_| std::thread::spawn(starts::all_kinds)).collect();
    for starter in starters {
        let outcome = starter.join().map_err(|_| "a thread panicked")?;
        say("outcome", outcome.map_or_else(|error| error, |()| "well".into()));
    }
    starts::all_kinds()?;
    say("all", "well");
    pause("look-after");
    Ok(())
}

/// What forks is killed.
fn control(kind: &str) -> Outcome {
    say("first", shown(Command::new("true").status()));
    filter::kill_on_fork()?;
    say("armed", "");
    match kind {
        "std" => {
            let mut command = std::process::Command::new("true");
            // SAFETY: the closure does nothing.
            unsafe { command.pre_exec(|| Ok(())) };
            say("std", command.status()?);
        }
        "template-here" => say("template-here", shown(anyfork::template_here())),
        // A control of the control.
        _ => say("std", std::process::Command::new("true").status()?),
    }
    Ok(())
}

/// Whom the waiting thread got.
static WAITED_FOR: Mutex<Vec<i32>> = Mutex::new(Vec::new());

fn wait_for_any() {
    loop {
        // SAFETY: no status is asked for.
        match unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } {
            -1 => std::thread::sleep(Duration::from_micros(100)),
            pid => WAITED_FOR.lock().unwrap().push(pid),
        }
    }
}

/// Waits for any child while everything is started.
fn children() -> Outcome {
    say("first", shown(Command::new("true").status()));
    say("before", list(anyfork_tests::children(std::process::id())));
    std::thread::spawn(wait_for_any);
    starts::all_kinds()?;
    say("waited-for", list(WAITED_FOR.lock().unwrap().iter()));
    say("after", list(anyfork_tests::children(std::process::id())));
    Ok(())
}

/// A program that gives up privileges has another default template from then on.
fn replaced() -> Outcome {
    say("first", shown(Command::new("true").status()));
    // SAFETY: numbers alone.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    say("second", shown(Command::new("true").status()));
    pause("look-after");
    Ok(())
}
