//! External programs started by anyfork and by std, from small and from big programs: `cargo bench --bench command`.
//!
//! The systems take turns in each round, and a ratio is the median of the ratios of the rounds, because the machine is never quiet.
//! `cargo bench --bench command -- ROUNDS` sets the number of rounds (11 if nothing is said). As root; else the attributes have no user.

use anyfork::{Child, Command, Starting};
use anyfork_benches::programs::{
    PROGRAM, USER, is_root, rate, rate_of_threads, resident, std_with_attributes, with_attributes,
};
use anyfork_benches::statistics::{Rounds, per_second, print_rate, rounds_or};
use hdrhistogram::Histogram;
use memmap2::MmapOptions;
use std::collections::VecDeque;
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const COUNT: usize = 400;
const IN_FLIGHT: usize = 8;
/// Megabytes resident in the program.
const SIZES: [usize; 3] = [200, 2000, 8000];
/// Where other threads are looked at.
const OTHERS_AT: usize = 4000;

fn main() {
    let rounds = rounds_or(11);
    // Starts the default template.
    plain();
    let small = small(rounds);
    for megabytes in SIZES {
        let ballast = resident(megabytes << 20);
        big(megabytes, rounds, &small);
        drop(ballast);
    }
    let ballast = resident(OTHERS_AT << 20);
    others();
    drop(ballast);
}

/// What the rounds from the small program gave, to compare the big ones with.
struct Small {
    plain: Rounds,
    attributes: Rounds,
}

fn small(rounds: usize) -> Small {
    let mut results: [Rounds; 7] = Default::default();
    for _ in 0..rounds {
        let threads = [2, 4, 8].map(|threads| rate_of_threads(threads, COUNT, std_plain));
        let round = [
            rate(COUNT, plain),
            rate(COUNT, std_plain),
            in_flight(),
            threads.into_iter().fold(0.0, f64::max),
            rate(COUNT, attributes),
            rate(COUNT, std_attributes),
            rate(COUNT, std_attributes_of_its_own),
        ];
        results.iter_mut().zip(round).for_each(|(rounds, rate)| rounds.push(rate));
    }
    let [one, std_one, many, std_many, attributes, std_attributes, std_own] = results;
    println!("{PROGRAM} from a small program, until its end is seen; median (quartiles) of {rounds} rounds");
    println!(" one at a time");
    line("anyfork", &one, &[("std", &std_one, 0.95)]);
    line("std", &std_one, &[]);
    println!(" {IN_FLIGHT} in flight");
    line("anyfork, one thread", &many, &[("std", &std_many, 1.2)]);
    line("std, best of 2, 4, 8 threads", &std_many, &[]);
    println!(" with user, session and limit, one at a time");
    line("anyfork", &attributes, &[("its plain rate", &one, 0.9), ("std", &std_attributes, 1.0)]);
    line("std (fork)", &std_attributes, &[]);
    line("std, user only (fork)", &std_own, &[]);
    time_of_the_call("small");
    Small { plain: one, attributes }
}

fn big(megabytes: usize, rounds: usize, small: &Small) {
    let mut results: [Rounds; 4] = Default::default();
    for _ in 0..rounds {
        // The slow one in a time that can be waited for.
        let round = [rate(COUNT, plain), rate(COUNT, std_plain), rate(COUNT, attributes), rate(10, std_attributes)];
        results.iter_mut().zip(round).for_each(|(rounds, rate)| rounds.push(rate));
    }
    let [plain, std_plain, attributes, std_attributes] = results;
    println!("with {megabytes} MB resident");
    line("anyfork", &plain, &[("std", &std_plain, 0.95), ("its rate from a small program", &small.plain, 0.95)]);
    line("std", &std_plain, &[]);
    let goal = if megabytes >= 2000 { 25.0 } else { 1.0 };
    let against = [("std", &std_attributes, goal), ("its rate from a small program", &small.attributes, 0.95)];
    line("anyfork with attributes", &attributes, &against);
    line("std with attributes (fork)", &std_attributes, &[]);
    time_of_the_call(&format!("{megabytes} MB"));
}

fn line(system: &str, rounds: &Rounds, against: &[(&str, &Rounds, f64)]) {
    let against: Vec<_> = against.iter().map(|(other, rounds, goal)| (*other, *rounds, Some(*goal))).collect();
    print_rate(system, rounds, &against);
}

fn plain() {
    assert!(Command::new(PROGRAM).status().expect("it starts").success());
}

fn std_plain() {
    assert!(std::process::Command::new(PROGRAM).status().expect("it starts").success());
}

/// A window of starts from one thread.
fn in_flight() -> f64 {
    let mut window: VecDeque<Starting<Child>> = VecDeque::new();
    let finish = |starting: Starting<Child>| {
        assert!(starting.wait().and_then(|mut child| child.wait()).expect("it starts").success());
    };
    per_second(COUNT, || {
        for _ in 0..COUNT {
            if window.len() == IN_FLIGHT {
                window.pop_front().into_iter().for_each(finish);
            }
            window.push_back(Command::new(PROGRAM).start());
        }
        window.into_iter().for_each(finish);
    })
}

fn attributes() {
    assert!(with_attributes().status().expect("it starts").success());
}

fn std_attributes() {
    assert!(std_with_attributes().status().expect("it starts").success());
}

/// Only what std has by itself.
fn std_attributes_of_its_own() {
    let mut command = std::process::Command::new(PROGRAM);
    if is_root() {
        command.uid(USER);
    } else {
        // SAFETY: the function does nothing.
        unsafe { command.pre_exec(|| Ok(())) };
    }
    assert!(command.status().expect("it starts").success());
}

/// How long the caller is held up.
fn time_of_the_call(what: &str) {
    let [mut start, mut spawn, mut std_spawn, mut std_attributes] = [(); 4].map(|()| Rounds::default());
    let micros = |from: Instant| from.elapsed().as_nanos() as f64 / 1000.0;
    for round in 0..600 {
        let from = Instant::now();
        let starting = Command::new(PROGRAM).start();
        start.push(micros(from));
        let mut child = starting.wait().expect("it starts");
        spawn.push(micros(from));
        child.wait().expect("it ends");
        let from = Instant::now();
        let mut child = std::process::Command::new(PROGRAM).spawn().expect("it starts");
        std_spawn.push(micros(from));
        child.wait().expect("it ends");
        if round < 10 {
            let mut command = std::process::Command::new(PROGRAM);
            // SAFETY: the function does nothing.
            unsafe { command.pre_exec(|| Ok(())) };
            let from = Instant::now();
            let mut child = command.spawn().expect("it starts");
            std_attributes.push(micros(from));
            child.wait().expect("it ends");
        }
    }
    println!(
        "  time in the call, {what}: start {:.0} us (goal 40), start and wait {:.0} us; std spawn {:.0} us, with pre_exec {:.0} us",
        start.median(),
        spawn.median(),
        std_spawn.median(),
        std_attributes.median()
    );
}

/// What another thread notices that touches fresh memory meanwhile.
fn others() {
    println!(
        "fresh memory for another thread meanwhile, each page of 256 that are mapped and touched, with {OTHERS_AT} MB resident (microseconds)"
    );
    let modes: [(&str, &(dyn Fn() + Sync)); 5] = [
        ("nobody starts anything", &|| std::thread::sleep(Duration::from_millis(1))),
        // What comes of a busy machine alone.
        ("nobody, and a busy thread", &|| {
            _ = std::hint::black_box((0..100_000_u64).map(std::hint::black_box).sum::<u64>())
        }),
        ("anyfork with attributes", &attributes),
        ("std", &std_plain),
        ("std with attributes (fork)", &std_attributes),
    ];
    let mut histograms =
        modes.map(|(name, _)| (name, Histogram::<u64>::new_with_max(60_000_000_000, 3).expect("a minute")));
    for _ in 0..5 {
        for ((_, once), (_, histogram)) in modes.iter().zip(&mut histograms) {
            touch_while(*once, histogram);
        }
    }
    println!("  {:<28} {:>8} {:>8} {:>8} {:>8} {:>9}", "", "p50", "p99", "p99.9", "p99.99", "highest");
    for (name, histogram) in histograms {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        let highest = histogram.max() as f64 / 1000.0;
        let [p50, p99, p999, p9999] = [0.5, 0.99, 0.999, 0.9999].map(at);
        println!("  {name:<28} {p50:>8.1} {p99:>8.1} {p999:>8.1} {p9999:>8.1} {highest:>9.1}");
    }
}

/// Two seconds of it.
fn touch_while(once: &(dyn Fn() + Sync), histogram: &mut Histogram<u64>) {
    const PAGE: usize = 4096;
    /// Nanoseconds.
    const USUAL: u64 = 1100;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                once();
            }
        });
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            // The first page waits for the mapping as well.
            let mut start = Instant::now();
            let mut fresh = MmapOptions::new().len(256 * PAGE).map_anon().expect("memory");
            for page in fresh.chunks_mut(PAGE) {
                page[0] = 1;
                // Pages that were not touched because this one took so long count too.
                histogram.record_correct(start.elapsed().as_nanos() as u64, USUAL).expect("less than a minute");
                start = Instant::now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}
