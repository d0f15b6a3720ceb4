//! The one descriptor of a pending value, as poll(2) and epoll(7) see it, without a runtime and without a timer.

#[path = "pending/contract.rs"]
mod contract;

#[path = "pending/queued.rs"]
mod queued;

use anyfork::{Pending, Process, Template};
use anyfork_tests::stop;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

#[anyfork::entry]
fn code(code: u8) -> std::process::ExitCode {
    code.into()
}

#[anyfork::entry]
fn nap(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Until its socket is at its end.
#[anyfork::entry]
fn stay(mut socket: std::os::unix::net::UnixStream) {
    let _ = std::io::Read::read(&mut socket, &mut [0]);
}

const LIMIT: Duration = Duration::from_secs(10);

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: duration.subsec_nanos().into() }
}

/// Whether a descriptor becomes readable within the time.
fn readable(fd: impl AsFd, within: Duration) -> bool {
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timespec(within))).unwrap() == 1
}

fn stopped() -> Template {
    let template = Process::new().template().unwrap();
    stop(template.pid());
    template
}

/// Asks when the descriptor is readable, and only then.
fn finish<P: Pending>(mut pending: P) -> anyfork::Result<P::Value> {
    let until = Instant::now() + LIMIT;
    loop {
        assert!(readable(&pending, until.saturating_duration_since(Instant::now())), "never readable");
        if let Some(output) = pending.try_finish()? {
            return Ok(output);
        }
    }
}

/// How an epoll set tells of what is in it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trigger {
    Level,
    Edge,
}

/// Brings all to their results in one epoll set. A result that was found is not looked for again.
fn finish_all<P: Pending>(pending: Vec<P>, trigger: Trigger) -> Vec<anyfork::Result<P::Value>> {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags =
        epoll::EventFlags::IN | if trigger == Trigger::Edge { epoll::EventFlags::ET } else { Default::default() };
    let mut pending: Vec<Option<P>> = pending.into_iter().map(Some).collect();
    let mut results: Vec<Option<_>> = pending.iter().map(|_| None).collect();
    for (number, one) in pending.iter().enumerate() {
        epoll::add(&set, one.as_ref().unwrap(), epoll::EventData::new_u64(number as u64), flags).unwrap();
    }
    let mut events = Vec::with_capacity(64);
    while results.iter().any(Option::is_none) {
        events.clear();
        let count = epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), Some(&timespec(LIMIT))).unwrap();
        let left = results.iter().filter(|result| result.is_none()).count();
        assert!(count > 0, "{trigger:?}: nothing in {LIMIT:?}, {left} left");
        for event in &events {
            let number = event.data.u64() as usize;
            let Some(one) = &mut pending[number] else { continue };
            if let Some(result) = one.try_finish().transpose() {
                results[number] = Some(result);
                pending[number] = None;
            }
        }
    }
    results.into_iter().map(Option::unwrap).collect()
}
