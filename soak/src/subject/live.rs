//! Many workers that live at once, and then end at once.

use super::ending;
use super::ends::{Ends, poll};
use super::plain::start;
use super::tally::{Harm, Tally};
use super::window::DEADLINE;
use super::{Outcome, pause, setting, tell};
use crate::plan::Task;
use crate::words::Word;
use anyfork::{Exited, Process, Starting, Template, Worker};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Instant;

/// So many start at once.
const DEPTH: usize = 64;

/// Descriptors for everything else.
const OTHERS: u64 = 300;

/// Says its number, and ends when nobody holds the other end of the gate any more.
#[anyfork::entry]
fn wait_at_gate(mut socket: UnixStream, gate: OwnedFd, number: u64) -> std::io::Result<ExitCode> {
    writeln!(socket, "{number}")?;
    drop(socket);
    File::from(gate).read_to_end(&mut Vec::new())?;
    Ok(ending::of(number).take())
}

/// What is kept of one that lives.
enum Kept {
    /// Socket and pidfd.
    All(Worker),
    /// The pidfd: its end is all that is still waited for.
    End(Exited),
}

pub(super) fn run(task: &Task, tally: &Tally) -> Outcome {
    let most = most_at_once()?;
    if most < task.workers {
        tell(&Word::Figure("at most, as the limits are here".into(), most as f64));
    }
    let template = Process::new().template()?;
    setting::begin(tally, Some(&template), |number| start(&template, number))?;
    let (gate, open) = std::io::pipe()?;
    let gate = OwnedFd::from(gate);
    pause("empty");
    let kept = start_all(&template, &gate, tally, most);
    tell(&Word::Figure("live at once".into(), kept.len() as f64));
    pause("full");
    let opened = Instant::now();
    drop(open);
    for (number, before, kept) in kept {
        let due = Instant::now() + tally.patience;
        let end = match kept {
            Kept::All(worker) => worker.end(number, tally.patience),
            Kept::End(exited) => poll(exited, tally.patience),
        };
        tally.returned("the wait for an end", due);
        tally.ended(number, before, end, Ok(()));
    }
    tell(&Word::Figure("seconds until all have been told of that end at once".into(), opened.elapsed().as_secs_f64()));
    drop(gate);
    setting::end(tally);
    Ok(())
}

fn start_all(template: &Template, gate: &OwnedFd, tally: &Tally, most: u64) -> Vec<(u64, Harm, Kept)> {
    let (mut starting, mut kept) = (VecDeque::new(), Vec::new());
    let mut see = |number, before, starting: Starting<Worker>| match starting.wait().map(|worker| keep(number, worker))
    {
        Ok(Ok(one)) => kept.push((number, before, one)),
        Ok(Err(error)) => tally.wrong(number, format!("it does not answer: {error}")),
        Err(error) => tally.failed(number, &error),
    };
    while let Some(number) = tally.next(most) {
        let process = template.fork().fd(gate).arg(number).blocking_socket(true).deadline(DEADLINE);
        starting.push_back((number, tally.harm(), process.start(wait_at_gate)));
        if starting.len() > DEPTH {
            starting.pop_front().into_iter().for_each(|(number, before, starting)| see(number, before, starting));
        }
    }
    starting.into_iter().for_each(|(number, before, starting)| see(number, before, starting));
    kept
}

/// It must have answered. Of every second one only the end is kept.
fn keep(number: u64, worker: Worker) -> Result<Kept, String> {
    let mut said = String::new();
    worker.socket().read_to_string(&mut said).map_err(|error| error.to_string())?;
    if said.trim_end() != number.to_string() {
        return Err(format!("it said {said:?}"));
    }
    Ok(if number.is_multiple_of(2) { Kept::All(worker) } else { Kept::End(worker.exited()) })
}

/// Three descriptors for two workers, and a number for each process. Raises the limit of descriptors as far as it may be.
fn most_at_once() -> rustix::io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let descriptors = limit.maximum.unwrap_or(u64::MAX / 2).saturating_sub(OTHERS) / 3 * 2;
    let numbers =
        std::fs::read_to_string("/proc/sys/kernel/pid_max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    Ok(descriptors.min(numbers.map_or(u64::MAX, |numbers| numbers / 2)))
}
