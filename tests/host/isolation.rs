//! A program with secrets in its environment.

use crate::{Outcome, origin, pause, release, say};
use anyfork::{Command, Process, Worker};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let [kind, how] = arguments else { return Err("which origin, and what allows?".into()) };
    // SAFETY: there are no threads; the value is that of a string `LATER=...`. From here on it is in a block of its own, and nowhere else: setenv(3) leaves a copy on the stack.
    unsafe { libc::putenv(libc::strdup(libc::getenv(c"LATER".as_ptr()).sub("LATER=".len()))) };
    if *how == "program" {
        anyfork::env_allow(["ALLOWED"])?;
    }
    let (process, template) = origin(kind)?;
    let fork = || {
        template.as_ref().map_or_else(|| if *kind == "exec" { Process::exec() } else { Process::new() }, |it| it.fork())
    };
    let allowing;
    let allowed = match *how {
        "process" => process.env_allow(["ALLOWED"]),
        // Its forks have no more than it has.
        "template" => {
            allowing = process.env_allow(["ALLOWED"]).template()?;
            allowing.fork()
        }
        _ => process,
    };
    let workers = [("allowed", worker(allowed)?), ("free", worker(fork())?)];
    for (key, worker) in &workers {
        say(key, worker.pid());
        let mut variables = String::new();
        BufReader::new(worker.socket()).read_line(&mut variables)?;
        say(&format!("{key}-variables"), variables.trim());
    }
    let output = Command::new("env").output()?;
    say("command-variables", String::from_utf8_lossy(&output.stdout).replace('\n', " "));
    pause("ready");
    workers.iter().for_each(|(_, worker)| release(worker, 0));
    Ok(())
}

fn worker(process: Process) -> anyfork::Result<Worker> {
    process.blocking_socket(true).run(tell_variables)
}

#[anyfork::entry]
fn tell_variables(mut socket: UnixStream) -> std::io::Result<()> {
    let variables = std::env::vars_os().map(|(name, value)| format!("{}={}", name.display(), value.display()));
    writeln!(socket, "{}", variables.collect::<Vec<_>>().join(" "))?;
    socket.read(&mut [0]).map(drop)
}
