//! A fork of a host that has a handle of a program.

use crate::{Outcome, pause, say};
use anyfork::Command;
use std::time::Duration;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["forked"] => forked(),
        _ => Err("which tree?".into()),
    }
}

fn forked() -> Outcome {
    let mut child = Command::new("sleep").arg("60").process_group(0).kill_on_drop(true).spawn()?;
    // SAFETY: this program has one thread.
    match unsafe { libc::fork() } {
        0 => {
            say("in-fork", child.kill_tree().map_or_else(|error| format!("{:?}", error.kind()), |()| "killed".into()));
            // SAFETY: ends the fork, without the destructors of what belongs to the program.
            unsafe { libc::_exit(0) }
        }
        pid => {
            // SAFETY: no status is asked for.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        }
    }
    let status = child.wait_timeout(Duration::ZERO)?;
    say("program", status.map_or_else(|| "runs".into(), |status| format!("{status:?}")));
    child.kill_tree()?;
    say("killed", child.wait()?.signal().unwrap_or(0));
    pause("look-after");
    Ok(())
}
