//! The ways of doing something again and again: as fast as it goes, or at a rate that somebody else sets.

use crate::wire::{Reply, Request};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// The fewest repetitions, of something slow.
const FEWEST: usize = 3;
/// The longest time that is recorded, in nanoseconds.
pub(crate) const LONGEST: u64 = 60_000_000_000;
/// A sleeping thread is late by about so much.
const LATENESS: Duration = Duration::from_micros(150);

/// Batches of so many in flight, one after another. The first is not counted.
pub(super) fn rate(request: &Request, mut batch: impl FnMut(usize)) -> Reply {
    batch(1);
    let (start, mut count) = (Instant::now(), 0);
    while count < FEWEST || start.elapsed() < request.length {
        batch(request.in_flight);
        count += request.in_flight;
    }
    Reply::Rate(count as f64 / start.elapsed().as_secs_f64())
}

/// How long each takes. What `once` returns is done after its time was taken: one after another, or at the rate that is asked for.
pub(super) fn latencies<End: FnOnce()>(request: &Request, mut once: impl FnMut() -> End) -> Reply {
    once()();
    match request.rate {
        None => one_after_another(request, once),
        Some(rate) => open_loop(request, rate, once),
    }
}

fn one_after_another<End: FnOnce()>(request: &Request, mut once: impl FnMut() -> End) -> Reply {
    let (mut histogram, start) = (histogram(), Instant::now());
    while histogram.len() < FEWEST as u64 || start.elapsed() < request.length {
        let from = Instant::now();
        let end = once();
        histogram.saturating_record(from.elapsed().as_nanos() as u64);
        end();
    }
    reply(&histogram, start)
}

/// Each is due at its time, however long the one before took, and its time runs from when it was due.
fn open_loop<End: FnOnce()>(request: &Request, rate: f64, mut once: impl FnMut() -> End) -> Reply {
    let (mut histogram, start) = (histogram(), Instant::now());
    let count = ((request.length.as_secs_f64() * rate) as u32).max(FEWEST as u32);
    for number in 0..count {
        let due = start + Duration::from_secs_f64(f64::from(number) / rate);
        wait_for(due);
        let end = once();
        histogram.saturating_record(due.elapsed().as_nanos() as u64);
        end();
        // It cannot keep up; what there is says so.
        if start.elapsed() > request.length * 4 && histogram.len() >= FEWEST as u64 {
            break;
        }
    }
    reply(&histogram, start)
}

/// Sleeps for the greater part, and looks at the clock for the rest: a timer is too late for what takes microseconds.
fn wait_for(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if left > LATENESS {
        std::thread::sleep(left - LATENESS);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, 3).expect("a minute with three digits")
}

/// The contents, and how many there were per second.
pub(super) fn reply(histogram: &Histogram<u64>, start: Instant) -> Reply {
    let rate = histogram.len() as f64 / start.elapsed().as_secs_f64();
    let values = histogram.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value()));
    Reply::Latencies(rate, values.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(rate: Option<f64>) -> Request {
        let length = Duration::from_millis(100);
        Request { case: "first-byte".into(), system: "idle".into(), in_flight: 1, length, rate }
    }

    #[test]
    fn what_is_late_in_an_open_loop_makes_the_next_ones_late() {
        let mut first = 0;
        // Ten are due, one each 10 ms; the second (the first is not counted) takes 50 ms, and others wait for it.
        let reply = latencies(&request(Some(100.0)), || {
            first += 1;
            std::thread::sleep(Duration::from_millis(if first == 3 { 50 } else { 0 }));
            || {}
        });
        let Reply::Latencies(_, values) = reply else { panic!("{reply:?}") };
        let late: u64 = values.iter().filter(|(value, _)| *value > 5_000_000).map(|(_, count)| count).sum();
        let all: u64 = values.iter().map(|(_, count)| count).sum();
        assert_eq!(all, 10);
        assert!((4..=6).contains(&late), "{values:?}");
    }

    #[test]
    fn something_slow_is_done_three_times() {
        let mut done = 0;
        let reply = rate(&request(None), |_| {
            done += 1;
            std::thread::sleep(Duration::from_millis(60));
        });
        assert_eq!(done, 4, "one of them is not counted");
        assert!(matches!(reply, Reply::Rate(rate) if rate < 17.0), "{reply:?}");
    }
}
