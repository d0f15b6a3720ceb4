//! The program under test: it starts processes, and says how they ended.

mod ending;
mod ends;
mod faults;
mod live;
mod plain;
mod programs;
mod python;
mod rest;
mod setting;
mod spares;
mod tally;
mod window;

use crate::plan::{Soak, Task};
use crate::words::Word;
use rustix::process::Signal;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use tally::Tally;

/// Does one soak.
pub(crate) fn run(task: &Task) -> ExitCode {
    end_with_observer();
    // By their session the observer knows all processes that come from here.
    let done = rustix::process::setsid().map_err(Into::into).and_then(|_| soak(task));
    match done {
        Ok(()) => {
            tell(&Word::End);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("soak: {}: {error}", task.soak);
            ExitCode::FAILURE
        }
    }
}

/// To be said again after a change of the user, at which the kernel forgets it.
fn end_with_observer() {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn soak(task: &Task) -> Outcome {
    let tally = Tally::new(task);
    match task.soak {
        Soak::Plain => plain::run(&tally)?,
        Soak::Faults => faults::run(task, &tally)?,
        Soak::Live => live::run(task, &tally)?,
        Soak::Programs => programs::run(&tally)?,
        Soak::Spares => spares::run(&tally)?,
        Soak::Python => python::run(&tally)?,
    }
    Ok(())
}

/// Says something to the observer.
fn tell(word: &Word) {
    let mut out = std::io::stdout().lock();
    // Without an observer there is nobody to be told.
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
}

/// Lets the observer look.
fn pause(name: &str) {
    let_look(&Word::Pause(name.to_owned()));
}

/// Says something at which the observer looks, and waits until it has.
fn let_look(word: &Word) {
    tell(word);
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}
