//! Starts and ends that are awaited, where it matters what else the program has: descriptors, threads, forks, limits.

mod cancel;
mod flood;
mod forked;
mod queued;
mod threads;

use crate::Outcome;
use anyfork_tests::Where;
use std::time::Duration;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["cancel", place, kind] => cancel::run(Where::named(place), kind),
        ["flood", place] => flood::run(Where::named(place)),
        ["starved", place] => flood::starved(Where::named(place)),
        ["starved-blocking"] => flood::starved_blocking(),
        ["forked", place, kind] => forked::run(Where::named(place), kind),
        ["queued", place] => queued::run(Where::named(place)),
        ["killed", place] => queued::killed(Where::named(place)),
        ["threads", place] => threads::run(Where::named(place)),
        ["threads-blocking"] => threads::blocking(),
        _ => Err("what is awaited?".into()),
    }
}

#[anyfork::entry]
fn nap(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}
