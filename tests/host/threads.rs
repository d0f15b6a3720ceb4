//! Templates that would have to fork with more than one thread.

use crate::{Outcome, entries, pause, say};
use anyfork::{Error, Process};
use std::sync::mpsc::channel;
use std::time::Duration;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["preparation"] => preparation(),
        ["program"] => program(),
        _ => Err("threads of what?".into()),
    }
}

fn shown<T>(result: Result<T, Error>) -> String {
    result.map_or_else(|error| format!("{:?} {error}", error.kind()), |_| "none".into())
}

/// Starts a thread that stays, and waits until it runs.
fn start_thread(name: &str) {
    let (sender, receiver) = channel();
    let run = move || {
        let _ = sender.send(());
        std::thread::sleep(Duration::from_secs(60));
    };
    std::thread::Builder::new().name(name.into()).spawn(run).unwrap();
    receiver.recv().unwrap();
}

#[anyfork::entry]
fn leave_a_thread() {
    start_thread("lingerer");
}

/// A thread that has ended by the time the preparation has.
#[anyfork::entry]
fn join_a_thread() {
    std::thread::spawn(|| ()).join().unwrap();
}

fn preparation() -> Outcome {
    let none = [""; 0];
    say("left", shown(Process::new().call(leave_a_thread, none).template()));
    say("joined", shown(Process::new().call(join_a_thread, none).template()));
    say("worker", shown(Process::new().call(leave_a_thread, none).run(entries::nothing)));
    pause("done");
    Ok(())
}

fn program() -> Outcome {
    start_thread("busy-bee");
    say("early", shown(anyfork::early()));
    say("here", shown(anyfork::template_here()));
    // Threads of the program are no hindrance otherwise.
    say("new", shown(Process::new().template()?.fork().run(entries::nothing)));
    Ok(())
}
