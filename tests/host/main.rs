//! The host program: one scenario per run, chosen by the first argument. It tells facts on standard output, one `key value` per line,
//! waits where a test is to look or to disturb, and ends with `end`.

mod attributes;
mod awaiting;
mod bad_commands;
mod command;
mod constructors;
mod corpus;
mod descriptors;
mod doctor;
mod endings;
mod entries;
mod exits;
mod faults;
mod foreign;
mod handles;
mod handover;
mod hooks;
mod intercepted;
mod intercepted_python;
mod isolation;
mod kill_tree;
mod limits;
mod memory;
mod model;
mod modules;
mod names;
mod namespace;
mod nested;
mod numbers;
mod owner;
mod policy;
mod pty;
mod purity;
mod restart;
mod signals;
mod spares;
mod surroundings;
mod terminal;
mod threads;
mod zombies;

use anyfork::{Process, Template, Worker};
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    // By their session the tests know all processes that come from here.
    rustix::process::setsid()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.split_first().ok_or("which scenario?")? {
        (&"attributes", rest) => attributes::run(rest),
        (&"awaiting", rest) => awaiting::run(rest),
        (&"bad_commands", rest) => bad_commands::run(rest),
        (&"command", rest) => command::run(rest),
        (&"kill_tree", rest) => kill_tree::run(rest),
        (&"policy", rest) => policy::run(rest),
        (&"pty", rest) => pty::run(rest),
        (&"constructors", rest) => constructors::run(rest),
        (&"corpus", rest) => corpus::run(rest),
        (&"descriptors", rest) => descriptors::run(rest),
        (&"doctor", rest) => doctor::run(rest),
        (&"endings", rest) => endings::run(rest),
        (&"exits", rest) => exits::run(rest),
        (&"faults", rest) => faults::run(rest),
        (&"foreign", rest) => foreign::run(rest),
        (&"handles", rest) => handles::run(rest),
        (&"handover", rest) => handover::run(rest),
        (&"intercepted", rest) => intercepted::run(rest),
        (&"intercepted_python", rest) => intercepted_python::run(rest),
        (&"isolation", rest) => isolation::run(rest),
        (&"hooks", rest) => hooks::run(rest),
        (&"limits", rest) => limits::run(rest),
        (&"memory", rest) => memory::run(rest),
        (&"model", rest) => model::run(rest),
        (&"modules", rest) => modules::run(rest),
        (&"names", rest) => names::run(rest),
        (&"nested", rest) => nested::run(rest),
        (&"numbers", rest) => numbers::run(rest),
        (&"owner", rest) => owner::run(rest),
        (&"purity", rest) => purity::run(rest),
        (&"restart", rest) => restart::run(rest),
        (&"signals", rest) => signals::run(rest),
        (&"spares", rest) => spares::run(rest),
        (&"surroundings", rest) => surroundings::run(rest),
        (&"terminal", rest) => terminal::run(rest),
        (&"threads", rest) => threads::run(rest),
        (&"zombies", rest) => zombies::run(rest),
        (other, _) => Err(format!("no scenario {other}").into()),
    }?;
    say("end", "");
    Ok(())
}

/// Tells a fact.
fn say(key: &str, value: impl Display) {
    println!("{key} {value}");
}

/// Tells that the test may look now, and waits until it has.
fn pause(key: &str) {
    say(key, "");
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}

/// The same, at a descriptor that is not standard input.
fn pause_at(input: &mut impl BufRead, output: &mut impl Write, key: &str) {
    let _ = writeln!(output, "{key} ");
    let _ = input.read_line(&mut String::new());
}

/// Starts a worker that stays, and waits until it has told its socket's identity.
fn parked(process: Process) -> anyfork::Result<(Worker, String)> {
    let worker = process.blocking_socket(true).run(entries::park)?;
    let mut socket = String::new();
    let _ = BufReader::new(worker.socket()).read_line(&mut socket);
    Ok((worker, socket.trim().to_owned()))
}

/// Lets such a worker end with this exit code.
fn release(worker: &Worker, code: u8) {
    let _ = worker.socket().write_all(&[code]);
}

/// A process of each origin: of the default template, of a nested one, forked in advance, of a fresh exec, of the program itself.
fn origin(kind: &str) -> anyfork::Result<(Process, Option<Template>)> {
    let template = match kind {
        "default" => None,
        "nested" => Some(Process::new().template()?.fork().template()?),
        "spare" => Some(spares::template(4..=8)?),
        "exec" => return Ok((Process::exec(), None)),
        "here" => Some(anyfork::template_here()?),
        "early" => {
            anyfork::early()?;
            None
        }
        _ => panic!("no origin {kind}"),
    };
    Ok((template.as_ref().map_or_else(Process::new, Template::fork), template))
}

fn list<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}
