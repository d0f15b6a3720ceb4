//! The worker that is as good as nothing but the work of starting it, and the rates of blocking starts of it.

use crate::statistics::per_second;
use anyfork::{ByPath, Runs, Server, Template, Worker};
use std::io::Read;

/// Returns at once.
#[anyfork::entry]
pub fn finish() {}

/// Starts per second, each until its end-of-file is seen before the next.
pub fn one_at_a_time(template: &Template, count: usize) -> f64 {
    named_one_at_a_time(template, finish().name(), count)
}

/// The same of a function that is named, in whatever language it is.
pub fn named_one_at_a_time<S: Server + Runs<ByPath>>(template: &Template<S>, function: &str, count: usize) -> f64 {
    per_second(count, || {
        for _ in 0..count {
            see_end(&template.fork().blocking_socket(true).run(function).expect("a worker"));
        }
    })
}

/// Those with so many in flight, so many times.
pub fn named_in_flight<S: Server + Runs<ByPath>>(
    template: &Template<S>,
    function: &str,
    in_flight: usize,
    batches: usize,
) -> f64 {
    per_second(batches * in_flight, || {
        for _ in 0..batches {
            let starting: Vec<_> =
                (0..in_flight).map(|_| template.fork().blocking_socket(true).start(function)).collect();
            for starting in starting {
                see_end(&starting.wait().expect("a worker"));
            }
        }
    })
}

/// The same, each until its exit status is known.
pub fn one_at_a_time_exited(template: &Template, count: usize) -> f64 {
    per_second(count, || {
        for _ in 0..count {
            let worker = template.fork().blocking_socket(true).run(finish).expect("a worker");
            assert!(worker.wait().expect("a status").success());
        }
    })
}

/// Those until end-of-file with so many in flight, so many times.
pub fn in_flight(template: &Template, in_flight: usize, batches: usize) -> f64 {
    named_in_flight(template, finish().name(), in_flight, batches)
}

/// Blocks until the end-of-file of a worker with a blocking socket.
pub fn see_end(worker: &Worker) {
    assert_eq!(worker.socket().read(&mut [0]).expect("end-of-file"), 0);
}
