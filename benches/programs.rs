//! What external programs are started for in the benchmarks: the rate of a loop, with std and with anyfork.

use crate::statistics::per_second;

/// The program that is started: as good as nothing but the work of starting it.
pub const PROGRAM: &str = "/bin/true";

/// Repetitions per second of what `once` does `count` times.
pub fn rate(count: usize, mut once: impl FnMut()) -> f64 {
    per_second(count, || (0..count).for_each(|_| once()))
}

/// The same by several threads at once, which share the count.
pub fn rate_of_threads(threads: usize, count: usize, once: impl Fn() + Sync) -> f64 {
    let each = count / threads;
    per_second(each * threads, || {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..each).for_each(|_| once()));
            }
        });
    })
}

/// Memory that is resident: so many bytes, each page written to.
pub fn resident(bytes: usize) -> Vec<u8> {
    std::hint::black_box(vec![1; bytes])
}
