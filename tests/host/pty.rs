//! A host with a program in a terminal, to be killed.

use crate::{Outcome, pause, say};
use anyfork::{Command, PtySize};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["owner"] => owner(),
        _ => Err("which terminal?".into()),
    }
}

fn owner() -> Outcome {
    let child = Command::new("cat").pty(PtySize::default()).spawn()?;
    say("program", child.id());
    pause("ready");
    Ok(())
}
