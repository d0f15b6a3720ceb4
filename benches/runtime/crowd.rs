//! Ten thousand starts at once from one task: how fast, and what they need.

use crate::{Loop, until_end_of_file};
use anyfork::Template;
use anyfork_benches::statistics::{Rounds, print_rate};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const STARTS: usize = 10_000;

pub(crate) fn all(template: &'static Template, rounds: usize) {
    let rounds = rounds.div_ceil(3);
    println!("{STARTS} starts at once from one task, until end-of-file is seen; median (quartiles) of {rounds} rounds");
    let loops = [Loop::current(), Loop::multi(), Loop::Smol];
    let [mut rates, mut memory, mut descriptors] = [(); 3].map(|()| [(); 3].map(|()| Rounds::default()));
    for _ in 0..rounds {
        for (index, here) in loops.iter().enumerate() {
            let (rate, kilobytes, peak) = once(template, here);
            rates[index].push(rate);
            memory[index].push(kilobytes);
            descriptors[index].push(peak);
        }
    }
    for (index, here) in loops.iter().enumerate() {
        print_rate(here.name(), &rates[index], &[]);
        let (kilobytes, peak) = (memory[index].quantile(1.0), descriptors[index].quantile(1.0));
        println!("    at most {:.1} MB more memory, {peak:.0} more descriptors", kilobytes / 1000.0);
    }
}

/// Starts per second, kilobytes and descriptors more than before.
fn once(template: &'static Template, here: &Loop) -> (f64, f64, f64) {
    let (before, open) = (resident_anew(), open_descriptors());
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let rate = here.per_second(STARTS, async move {
        let mut running: FuturesUnordered<_> = (0..STARTS).map(|_| until_end_of_file(template)).collect();
        let mut ended = 0;
        while running.next().await.is_some() {
            if ended % 64 == 0 {
                seen.fetch_max(open_descriptors(), Ordering::Relaxed);
            }
            ended += 1;
        }
    });
    let memory = status("VmHWM:").saturating_sub(before);
    (rate, memory as f64, most.load(Ordering::Relaxed).saturating_sub(open) as f64)
}

/// What is resident now, in kilobytes. The peak is counted from here.
fn resident_anew() -> usize {
    std::fs::write("/proc/self/clear_refs", "5").expect("it can be reset");
    status("VmRSS:")
}

fn status(field: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// The size of the directory is their number since Linux 6.2; before, it is 0.
fn open_descriptors() -> usize {
    std::fs::metadata("/proc/self/fd").map_or(0, |directory| directory.len() as usize)
}
