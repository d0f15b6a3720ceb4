//! Workers that were forked in advance.

use super::plain::start;
use super::rest::after_each_part;
use super::tally::Tally;
use super::window::drive;
use super::{Outcome, setting};
use anyfork::Process;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How many wait: fewer than are in flight, so that some starts find none.
const SPARES: RangeInclusive<usize> = 4..=16;

pub(super) fn run(tally: &Tally) -> Outcome {
    let template = Process::new().template()?;
    setting::begin(tally, Some(&template), |number| start(&template, number))?;
    template.spares(SPARES)?;
    after_each_part(tally, |_, limit| drive(tally, limit, |number| start(&template, number)));
    // When all wait that were ordered, none is on its way: such a one would only end when the program looks.
    let all = *SPARES.end();
    template.spares(all..=all)?;
    let until = Instant::now() + tally.patience;
    while template.spares_waiting() < all && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    template.spares(0..=0)?;
    setting::end(tally);
    Ok(())
}
