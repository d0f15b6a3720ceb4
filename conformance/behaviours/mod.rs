//! What each server has to do. Each is a function over a subject, and one test per server.

pub(crate) mod descriptors;
pub(crate) mod ends;
pub(crate) mod faults;
pub(crate) mod inputs;
pub(crate) mod owner;
pub(crate) mod preparation;
pub(crate) mod restarts;
pub(crate) mod signals;
pub(crate) mod sockets;
pub(crate) mod spares;
pub(crate) mod starts;
pub(crate) mod templates;

use anyfork_tests::LONG;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Whether a descriptor becomes readable within the time.
fn readable(fd: impl AsFd, within: Duration) -> bool {
    let mut polls = [PollFd::new(&fd, PollFlags::IN)];
    let timeout = Timespec { tv_sec: within.as_secs() as i64, tv_nsec: i64::from(within.subsec_nanos()) };
    poll(&mut polls, Some(&timeout)).unwrap() == 1
}

/// Asks a value until it has an answer.
fn answer<P: AsFd, T>(value: &mut P, ask: impl Fn(&mut P) -> anyfork::Result<Option<T>>) -> anyfork::Result<T> {
    let until = Instant::now() + LONG;
    loop {
        if let Some(answer) = ask(value).transpose() {
            return answer;
        }
        assert!(readable(&*value, until.saturating_duration_since(Instant::now())), "not readable in time");
    }
}
