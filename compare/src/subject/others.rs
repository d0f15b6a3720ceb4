//! What another thread notices that touches fresh memory while something is started.

use super::ballast::PAGE;
use super::pace;
use crate::wire::{Reply, Request};
use memmap2::MmapOptions;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Pages of one mapping.
const PAGES: usize = 256;
/// Nanoseconds between two pages of a thread that nobody disturbs.
const USUAL: u64 = 1100;

/// How often the other thread does it, if it can: as many starts for each system, or the fastest one would disturb most.
const EVERY: Duration = Duration::from_millis(5);

/// The times of the pages, while another thread does something again and again.
pub(super) fn blocked(request: &Request, once: impl Fn() + Sync) -> Reply {
    let (stop, mut histogram, start) = (AtomicBool::new(false), pace::histogram(), Instant::now());
    once();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let due = Instant::now() + EVERY;
                once();
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        while start.elapsed() < request.length * 3 {
            // The first page waits for the mapping as well.
            let mut from = Instant::now();
            let mut fresh = MmapOptions::new().len(PAGES * PAGE).map_anon().expect("memory");
            for page in fresh.chunks_mut(PAGE) {
                page[0] = 1;
                // Pages that were not touched because this one took so long count too.
                let time = (from.elapsed().as_nanos() as u64).min(pace::LONGEST);
                histogram.record_correct(time, USUAL).expect("it is not longer than the longest");
                from = Instant::now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    pace::reply(&histogram, start)
}
