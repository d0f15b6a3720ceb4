//! What another task notices of a thousand starts: how late it is, against a thread of its own, which only the machine keeps waiting.

use crate::{Loop, until_end_of_file};
use anyfork::Template;
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const PERIOD: Duration = Duration::from_millis(1);
const LENGTH: Duration = Duration::from_secs(2);
/// All tasks make their first start in this time, as fast as they can.
const ISSUING: Duration = Duration::from_millis(250);
const IN_FLIGHT: [usize; 3] = [0, 1, 1000];
/// Milliseconds.
const GOAL: u64 = 20;

pub(crate) fn all(template: &'static Template, rounds: usize) {
    let rounds = rounds.div_ceil(3);
    println!("a task that ticks each millisecond, and how late (milliseconds), {rounds} times {LENGTH:?}");
    println!("  {:<56} {:>7} {:>7} {:>7} {:>7}", "", "p50", "p99", "p99.9", "highest");
    for here in [Loop::current(), Loop::multi()] {
        let mut seen = IN_FLIGHT.map(|_| Seen::new());
        for _ in 0..rounds {
            for (seen, in_flight) in seen.iter_mut().zip(IN_FLIGHT) {
                tick_while(&here, template, in_flight, seen);
            }
        }
        for (seen, in_flight) in seen.iter().zip(IN_FLIGHT) {
            seen.print(&here, in_flight, rounds);
        }
    }
}

/// Microseconds of lateness.
struct Seen {
    issuing: Histogram<u64>,
    then: Histogram<u64>,
    thread: Histogram<u64>,
    ended: usize,
}

impl Seen {
    fn new() -> Self {
        let [issuing, then, thread] = [(); 3].map(|()| Histogram::new_with_max(60_000_000, 3).expect("a minute"));
        Seen { issuing, then, thread, ended: 0 }
    }

    fn print(&self, here: &Loop, in_flight: usize, rounds: usize) {
        let rate = self.ended as f64 / (LENGTH * rounds as u32).as_secs_f64();
        println!(" {}, {in_flight} starts in flight, {rate:.0} per second", here.name());
        let goal = in_flight > 1;
        if goal {
            line(&format!("the task, in the first {ISSUING:?}: all are issued at once"), &self.issuing, goal);
        }
        line("the task", &self.then, goal);
        line("a thread of its own", &self.thread, false);
    }
}

fn line(what: &str, lateness: &Histogram<u64>, has_goal: bool) {
    let at = |quantile| lateness.value_at_quantile(quantile) as f64 / 1000.0;
    let [p50, p99, p999, highest] = [at(0.5), at(0.99), at(0.999), lateness.max() as f64 / 1000.0];
    let goal = if has_goal { format!(" (goal {GOAL})") } else { String::new() };
    println!("  {what:<56} {p50:>7.2} {p99:>7.2} {p999:>7.2} {highest:>7.2}{goal}");
}

/// Ticks while so many starts are in flight, a task for each.
fn tick_while(here: &Loop, template: &'static Template, in_flight: usize, seen: &mut Seen) {
    let from = Instant::now();
    let thread = std::thread::spawn(move || tick(from));
    let (ended, task) = here.run(async move {
        let ticker = tokio::spawn(tick_awaited(from));
        let mut tasks = JoinSet::new();
        for _ in 0..in_flight {
            tasks.spawn(starts_until(template, from + LENGTH));
        }
        let ended: usize = tasks.join_all().await.into_iter().sum();
        (ended, ticker.await.expect("it does not panic"))
    });
    seen.ended += ended;
    for (due, late) in task {
        let histogram = if due < from + ISSUING { &mut seen.issuing } else { &mut seen.then };
        histogram.saturating_record(late.as_micros() as u64);
    }
    for late in thread.join().expect("it does not panic") {
        seen.thread.saturating_record(late.as_micros() as u64);
    }
}

async fn starts_until(template: &Template, until: Instant) -> usize {
    let mut ended = 0;
    while Instant::now() < until {
        until_end_of_file(template).await;
        ended += 1;
    }
    ended
}

/// When each tick was due, and how late it was. What is late makes those after it late, which are in a hurry then.
async fn tick_awaited(from: Instant) -> Vec<(Instant, Duration)> {
    let mut lateness = Vec::with_capacity(1 << 12);
    let mut interval = tokio::time::interval(PERIOD);
    while from.elapsed() < LENGTH {
        let due = interval.tick().await.into_std();
        lateness.push((due, due.elapsed()));
    }
    lateness
}

/// The same without a runtime.
fn tick(from: Instant) -> Vec<Duration> {
    let mut lateness = Vec::with_capacity(1 << 12);
    let mut due = from;
    while from.elapsed() < LENGTH {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        lateness.push(due.elapsed());
        due += PERIOD;
    }
    lateness
}
