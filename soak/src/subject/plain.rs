//! Workers of a template and of the default template, from two threads. Now and then the program idles while workers end.

use super::ending::{self, end_as_told};
use super::ends::Ends;
use super::rest::{RESTS, after_each_part};
use super::tally::Tally;
use super::window::drive;
use super::{Outcome, setting, tell};
use crate::words::Word;
use anyfork::{Process, Starting, Template, Worker};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

const THREADS: usize = 2;

/// One in so many is forked from the default template.
pub(super) const OF_DEFAULT: u64 = 10;

/// So many end while the program idles, one after another, in the first part of that time.
const IDLE_ENDS: u64 = 100;
const END_WITHIN: u64 = 800;
const IDLE: Duration = Duration::from_millis(2500);

/// Of all parts, those at whose end the program idles.
const IDLE_AT: [u64; 3] = [RESTS / 20, RESTS / 2, RESTS];

/// Ends in its time.
#[anyfork::entry]
fn end_later(_socket: UnixStream, number: u64, millis: u64) -> ExitCode {
    std::thread::sleep(Duration::from_millis(millis));
    ending::of(number).take()
}

pub(super) fn run(tally: &Tally) -> Outcome {
    let template = Process::new().template()?;
    setting::begin(tally, Some(&template), |number| start(&template, number))?;
    after_each_part(tally, |part, limit| {
        let idles = IDLE_AT.contains(&part);
        let busy = if idles { limit.saturating_sub(IDLE_ENDS) } else { limit };
        std::thread::scope(|scope| {
            let drive = || drive(tally, busy, |number| start(&template, number));
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(drive)).collect();
            // The scope alone would not wait until they have given back their stacks.
            threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        });
        if idles {
            idle(&template, tally, limit);
        }
    });
    setting::end(tally);
    Ok(())
}

/// As most soaks do.
pub(super) fn start(template: &Template, number: u64) -> Starting<Worker> {
    let process = if number % OF_DEFAULT == OF_DEFAULT - 1 { Process::new() } else { template.fork() };
    process.arg(number).blocking_socket(true).start(end_as_told)
}

/// Workers that end while nobody asks for them: whoever waits for them does so by itself.
fn idle(template: &Template, tally: &Tally, limit: u64) {
    let mut workers = Vec::new();
    while let Some(number) = tally.next(limit) {
        let millis = number * 7 % END_WITHIN;
        match template.fork().arg(number).arg(millis).run(end_later) {
            Ok(worker) => workers.push((number, worker)),
            Err(error) => tally.failed(number, &error),
        }
    }
    tell(&Word::Idle(true));
    std::thread::sleep(IDLE);
    tell(&Word::Idle(false));
    for (number, worker) in workers {
        let end = worker.end(number, tally.patience);
        tally.ended(number, tally.harm(), end, Ok(()));
    }
}
