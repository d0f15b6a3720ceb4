//! The speed of the engine, in ratios to what the machine can do and to AnyEvent::Fork: `cargo bench --bench engine`.
//!
//! All systems take turns in each round, and a ratio is the median of the ratios of the rounds, because the machine is never quiet.
//! `cargo bench --bench engine -- ROUNDS` sets the number of rounds (11 if nothing is said).

use anyfork::{Process, Template};
use anyfork_benches::limits::Limit;
use anyfork_benches::statistics::{Rounds, rounds_or};
use anyfork_benches::workers::{self, finish, see_end};
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

#[anyfork::entry]
fn idle(mut socket: UnixStream) -> std::io::Result<()> {
    socket.read(&mut [0]).map(drop)
}

const ONE_AT_A_TIME: usize = 1000;
const IN_FLIGHT: usize = 16;
const BATCHES: usize = 120;
const BALLAST: usize = 2000 << 20;
const THREADS: usize = 64;
const LIVE: usize = 10_000;

fn main() {
    let rounds = rounds_or(11);
    let template = Process::new().template().expect("a template");
    let mut table = Table::new();
    speed(&template, rounds, &mut table);
    start_call(&template);
    memory(&template);
    with_ballast(&template, rounds);
    with_many_alive(&template, rounds);
}

/// Creations per second by system and in flight.
struct Table(BTreeMap<(&'static str, usize), Rounds>);

impl Table {
    fn new() -> Self {
        Table(BTreeMap::new())
    }

    fn add(&mut self, system: &'static str, in_flight: usize, value: f64) {
        self.0.entry((system, in_flight)).or_default().push(value);
    }

    fn print(&self, system: &'static str, in_flight: usize, against: &[(&'static str, f64)]) {
        let Some(rounds) = self.0.get(&(system, in_flight)) else { return };
        let (low, middle, high) = (rounds.quantile(0.25), rounds.median(), rounds.quantile(0.75));
        print!("  {system:<24} {middle:>8.0} per second  ({low:.0} to {high:.0})");
        for (other, goal) in against {
            if let Some(other_rounds) = self.0.get(&(*other, in_flight)) {
                print!("  {:.2} of {other} (goal {goal})", rounds.median_ratio(other_rounds));
            }
        }
        println!();
    }
}

fn speed(template: &Template, rounds: usize, table: &mut Table) {
    let limits = [
        ("limit: fork loop in C", 1, Limit::in_c("forkloop")),
        ("limit: template in C", 1, Limit::in_c("template")),
        ("limit: template in C", IN_FLIGHT, Limit::in_c("template")),
        ("AnyEvent::Fork", 1, Limit::anyevent_fork()),
        ("AnyEvent::Fork", IN_FLIGHT, Limit::anyevent_fork()),
    ];
    for (name, _, limit) in &limits {
        if let Err(why) = limit {
            println!("skipped: {name}: {why}");
        }
    }
    one_at_a_time(template);
    for _ in 0..rounds {
        table.add("anyfork", 1, one_at_a_time(template));
        table.add("anyfork", IN_FLIGHT, in_flight(template));
        for (name, in_flight, limit) in &limits {
            let count = if *in_flight == 1 { ONE_AT_A_TIME } else { BATCHES * IN_FLIGHT };
            match limit.as_ref().map(|limit| limit.measure(count, *in_flight)) {
                Ok(Ok(rate)) => table.add(name, *in_flight, rate),
                Ok(Err(why)) => println!("failed: {name}: {why}"),
                Err(_) => {}
            }
        }
    }
    println!("run a function that returns at once, until end-of-file is seen; median (quartiles) of {rounds} rounds");
    println!(" one at a time");
    table.print("anyfork", 1, &[("limit: fork loop in C", 0.85), ("AnyEvent::Fork", 2.5)]);
    table.print("limit: fork loop in C", 1, &[]);
    table.print("limit: template in C", 1, &[]);
    table.print("AnyEvent::Fork", 1, &[]);
    println!(" {IN_FLIGHT} in flight");
    table.print("anyfork", IN_FLIGHT, &[("limit: template in C", 0.85), ("AnyEvent::Fork", 3.5)]);
    table.print("limit: template in C", IN_FLIGHT, &[]);
    table.print("AnyEvent::Fork", IN_FLIGHT, &[]);
}

fn one_at_a_time(template: &Template) -> f64 {
    workers::one_at_a_time(template, ONE_AT_A_TIME)
}

fn in_flight(template: &Template) -> f64 {
    workers::in_flight(template, IN_FLIGHT, BATCHES)
}

/// How long the caller is held up.
fn start_call(template: &Template) {
    let mut times = Rounds::default();
    for _ in 0..5000 {
        let start = Instant::now();
        let starting = template.fork().blocking_socket(true).start(finish);
        times.push(start.elapsed().as_nanos() as f64 / 1000.0);
        see_end(&starting.wait().expect("a worker"));
    }
    let (middle, high) = (times.median(), times.quantile(0.99));
    println!("time inside start: p50 {middle:.1} us (goal 25), p99 {high:.1} us");
}

fn memory(template: &Template) {
    let worker = template.fork().run(idle).expect("a worker");
    // It has entered its entry and sleeps in a read.
    std::thread::sleep(Duration::from_millis(100));
    println!("idle worker: {} kB private (goal 150)", rollup(worker.pid(), &["Private_Clean:", "Private_Dirty:"]));
    let parent = std::fs::read_to_string(format!("/proc/{}/stat", template.pid())).expect("a parent");
    let parent = parent.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
    println!("default template: {} kB proportional (goal 1000)", rollup(parent.expect("a number"), &["Pss:"]));
}

fn rollup(pid: u32, fields: &[&str]) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps_rollup");
    let values = text.lines().filter(|line| fields.iter().any(|field| line.starts_with(field)));
    values.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

/// The same rates in a large program with many threads, against its small self a moment ago.
fn with_ballast(template: &Template, rounds: usize) {
    let (mut small, mut large) = ([Rounds::default(), Rounds::default()], [Rounds::default(), Rounds::default()]);
    for _ in 0..rounds.div_ceil(2) {
        small[0].push(one_at_a_time(template));
        small[1].push(in_flight(template));
        let ballast = vec![1u8; BALLAST];
        let (stop, threads) = parked_threads();
        large[0].push(one_at_a_time(template));
        large[1].push(in_flight(template));
        drop(stop);
        threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
        assert_eq!(std::hint::black_box(ballast)[BALLAST / 2], 1);
    }
    print_ratio(&format!("with {} MB resident and {THREADS} threads", BALLAST >> 20), &large, &small);
}

type Threads = (Vec<std::sync::mpsc::Sender<()>>, Vec<std::thread::JoinHandle<()>>);

fn parked_threads() -> Threads {
    let start = |_| {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        (sender, std::thread::spawn(move || receiver.recv().unwrap_or(())))
    };
    (0..THREADS).map(start).unzip()
}

fn with_many_alive(template: &Template, rounds: usize) {
    let (mut few, mut many) = ([Rounds::default(), Rounds::default()], [Rounds::default(), Rounds::default()]);
    for _ in 0..rounds.div_ceil(4) {
        few[0].push(one_at_a_time(template));
        few[1].push(in_flight(template));
        // Their sockets keep them alive; pidfds as well would exceed the usual limit of descriptors.
        let start = |_| template.fork().run(idle).expect("a worker").into_socket();
        let alive: Vec<UnixStream> = (0..LIVE).map(start).collect();
        many[0].push(one_at_a_time(template));
        many[1].push(in_flight(template));
        drop(alive);
        std::thread::sleep(Duration::from_secs(3));
    }
    print_ratio(&format!("with {LIVE} live workers of the same template"), &many, &few);
}

fn print_ratio(what: &str, with: &[Rounds; 2], without: &[Rounds; 2]) {
    println!(
        "{what}: {:.2} of the rate without, one at a time; {:.2}, {IN_FLIGHT} in flight (goal 0.9)",
        with[0].median_ratio(&without[0]),
        with[1].median_ratio(&without[1])
    );
}
