//! Medians and spreads of rounds.

use std::time::Instant;

/// The number of rounds on the command line, or this one. cargo passes --bench as well.
pub fn rounds_or(usual: usize) -> usize {
    std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(usual)
}

/// So many of something that `run` does, per second.
pub fn per_second(count: usize, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    count as f64 / start.elapsed().as_secs_f64()
}

/// What the rounds of one measurement gave.
#[derive(Debug, Default, Clone)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds the result of a round.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The value that so much of the rounds stay below, from 0 to 1.
    pub fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let index = (part * (sorted.len().max(1) - 1) as f64).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The median of the ratios, round by round: what disturbs the machine disturbs both.
    pub fn median_ratio(&self, to: &Rounds) -> f64 {
        Rounds(self.0.iter().zip(&to.0).map(|(a, b)| a / b).collect()).median()
    }
}

/// A line of a table of rates, and what they are of others: rounds, and the goal if there is one.
pub fn print_rate(system: &str, rounds: &Rounds, against: &[(&str, &Rounds, Option<f64>)]) {
    let (low, middle, high) = (rounds.quantile(0.25), rounds.median(), rounds.quantile(0.75));
    print!("  {system:<40} {middle:>6.0} per second  ({low:.0} to {high:.0})");
    for (other, other_rounds, goal) in against {
        print!("  {:.2} of {other}", rounds.median_ratio(other_rounds));
        if let Some(goal) = goal {
            print!(" (goal {goal})");
        }
    }
    println!();
}
