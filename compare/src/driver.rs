//! The rounds: in each, all systems take turns.

use crate::options::Options;
use crate::plan::{self, REFERENCES, SMALL, Turn};
use crate::series::{Key, Measured};
use crate::subject::THREADS;
use crate::subjects::Subjects;
use crate::system;
use crate::wire::{Reply, Request};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long the round takes that nothing is told of, in which everything is started.
const WARM_UP: Duration = Duration::from_millis(15);

/// Measures what is asked for.
pub(crate) fn measure(options: &Options) -> Result<Measured, String> {
    let mut driver = Driver { subjects: Subjects::new(), measured: Measured::default(), rates: BTreeMap::new() };
    let mut turns = driver.possible_turns(options);
    if turns.is_empty() {
        return Err("nothing is left to be measured".into());
    }
    let bar = progress(turns.len() * (options.rounds + 1));
    let start = Instant::now();
    for round in 0..=options.rounds {
        let length = if round == 0 { WARM_UP.min(options.extent.turn()) } else { options.extent.turn() };
        turns.retain(|turn| {
            bar.set_message(format!("{} {} at {} MB", turn.case, turn.system, turn.mib));
            let goes_on = driver.take(turn, length, round > 0);
            bar.inc(1);
            goes_on
        });
    }
    bar.finish_and_clear();
    let (rounds, turn, seconds) = (options.rounds, options.extent.turn(), start.elapsed().as_secs_f64());
    println!("{rounds} rounds after one to warm up, {turn:?} for each measurement, {seconds:.0} s in all.");
    let largest = options.extent.largest_script();
    println!(
        "Main programs above {SMALL} MB also have {THREADS} threads; above {largest} MB only those in Rust are measured."
    );
    Ok(driver.measured)
}

fn progress(turns: usize) -> ProgressBar {
    // Hidden where standard error is no terminal.
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {elapsed} of about {duration}  {wide_msg}");
    ProgressBar::new(turns as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Driver {
    subjects: Subjects,
    measured: Measured,
    /// Those of anyfork in this round, by case and size.
    rates: BTreeMap<(String, u64), f64>,
}

impl Driver {
    /// Without what is not there or does not fit, about which there is a remark then.
    fn possible_turns(&mut self, options: &Options) -> Vec<Turn> {
        let mut sizes = options.extent.sizes().to_vec();
        sizes.retain(|&mib| {
            let fits = self.subjects.have_room_for(mib);
            if !fits {
                self.measured.remarks.push(format!("skipped: a main program of {mib} MB: not enough memory is free"));
            }
            fits
        });
        let mut turns = plan::turns(options, &sizes);
        for missing in system::missing(&plan::systems(&turns)) {
            self.measured.remarks.push(format!("skipped: {}: it needs {}", missing.system, missing.why));
            turns.retain(|turn| turn.system != missing.system);
        }
        self.measured.remarks.iter().for_each(|remark| println!("{remark}"));
        turns
    }

    /// Whether it has to be asked again.
    fn take(&mut self, turn: &Turn, length: Duration, counts: bool) -> bool {
        let key = Key { case: turn.case.clone(), system: turn.system.into(), mib: turn.mib, in_flight: turn.in_flight };
        for reply in self.ask(turn, length) {
            match reply {
                Reply::Absent => return false,
                Reply::Failed(why) => {
                    let what =
                        format!("{} of {} at {} MB, {} in flight", turn.case, turn.system, turn.mib, turn.in_flight);
                    self.measured.remarks.push(format!("left out: {what}: {why}"));
                    self.measured.forget(&key);
                    return false;
                }
                reply if counts => self.measured.add(&key, &reply),
                _ => {}
            }
        }
        true
    }

    fn ask(&mut self, turn: &Turn, length: Duration) -> Vec<Reply> {
        let Turn { case, system, mib, in_flight } = turn.clone();
        let mut request = Request { case, system: system.into(), in_flight, length, rate: None };
        let first = self.subjects.measure(&request, mib);
        if !plan::is_open_loop(&turn.case) {
            return vec![first];
        }
        let Reply::Latencies(rate, _) = first else { return vec![first] };
        request.rate = Some(self.base_rate(turn, rate) / 2.0);
        vec![Reply::Rate(rate), self.subjects.measure(&request, mib)]
    }

    /// Half of it is the rate of the open loop: the system's own, but the references have as much to do as anyfork.
    fn base_rate(&mut self, turn: &Turn, own: f64) -> f64 {
        let place = (turn.case.clone(), turn.mib);
        if turn.system == "anyfork" {
            self.rates.insert(place, own);
        } else if REFERENCES.contains(&turn.system) {
            return self.rates.get(&place).copied().unwrap_or(own);
        }
        own
    }
}
