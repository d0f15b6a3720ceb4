//! Starts that wait for their turn because the template is stopped.

use crate::{Outcome, list, say};
use anyfork::{Process, Starting, Template, Worker};
use anyfork_tests::{Scratch, Where, poll_once, signal, stop};
use futures::future::join_all;
use rustix::process::Signal;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

const MANY: usize = 700;

/// Adds its number to a list.
#[anyfork::entry]
fn enlist(path: String, number: u32) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(&number.to_le_bytes()).unwrap();
}

fn lowest_free_descriptor() -> i32 {
    File::open("/dev/null").unwrap().as_raw_fd()
}

/// Starts many of a template that is stopped, and says which of them are the first to wait for their turn: those without a
/// socket of their own, and the one before them, which has its socket but found no room.
fn fill(template: &Template, path: &str) -> (Vec<Starting<Worker>>, usize) {
    stop(template.pid());
    let mut free = Vec::new();
    let start = |number: usize| {
        let starting = template.fork().arg(path).arg(number).start(enlist);
        free.push(lowest_free_descriptor());
        starting
    };
    let starts = (0..MANY).map(start).collect();
    let second = (1..MANY).find(|n| free[*n] == free[n - 1]).expect("the socket is full at last");
    (starts, second - 1)
}

fn enlisted(path: &str) -> Vec<u32> {
    let octets = std::fs::read(path).unwrap_or_default();
    let mut numbers: Vec<u32> = octets.chunks(4).map(|number| u32::from_le_bytes(number.try_into().unwrap())).collect();
    numbers.sort_unstable();
    numbers
}

pub(super) fn run(place: Where) -> Outcome {
    place.run(async {
        let template = Process::new().start_template().await?;
        for polled in [false, true] {
            let path = Scratch::new("list");
            let (mut starts, first) = fill(&template, &path);
            if polled {
                for starting in &mut starts {
                    assert!(poll_once(starting).await.is_pending());
                }
            }
            let is_dropped = |n: usize| n == first || (n > first && n.is_multiple_of(3)) || n == MANY - 1;
            let (dropped, kept): (Vec<_>, Vec<_>) = starts.into_iter().enumerate().partition(|(n, _)| is_dropped(*n));
            let expected: Vec<u32> = kept.iter().map(|(n, _)| *n as u32).collect();
            // The first in the queue goes first.
            dropped.into_iter().for_each(drop);
            signal(template.pid(), Signal::CONT);
            let end = |(_, starting): (_, Starting<Worker>)| async move { starting.await?.exited().await };
            let ended = join_all(kept.into_iter().map(end)).await;
            assert!(ended.iter().all(|status| status.as_ref().is_ok_and(|status| status.success())), "{ended:?}");
            let key = if polled { "polled" } else { "unpolled" };
            say(&format!("{key}-first"), first);
            say(key, if enlisted(&path) == expected { "as expected".into() } else { list(enlisted(&path)) });
        }
        Ok(())
    })
}

pub(super) fn killed(place: Where) -> Outcome {
    place.run(async {
        for polled in [false, true] {
            let path = Scratch::new("list");
            let template = Process::new().start_template().await?;
            let (mut starts, _) = fill(&template, &path);
            if polled {
                for starting in &mut starts {
                    assert!(poll_once(starting).await.is_pending());
                }
            }
            signal(template.pid(), Signal::KILL);
            let kind = |starting: Starting<Worker>| async move { starting.await.map_err(|error| error.kind()) };
            let results = join_all(starts.into_iter().map(kind)).await;
            let gone = results.iter().filter(|result| matches!(result, Err(anyfork::ErrorKind::TemplateGone)));
            say(if polled { "polled" } else { "unpolled" }, gone.count());
            say(if polled { "polled-ran" } else { "unpolled-ran" }, enlisted(&path).len());
        }
        Ok(())
    })
}
