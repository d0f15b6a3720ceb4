//! Workers that were forked in advance.

use super::plain::start;
use super::tally::Tally;
use super::window::drive;
use super::{Outcome, setting};
use anyfork::Process;
use std::ops::RangeInclusive;

/// How many wait: fewer than are in flight, so that some starts find none.
const SPARES: RangeInclusive<usize> = 4..=16;

pub(super) fn run(tally: &Tally) -> Outcome {
    let template = Process::new().template()?;
    setting::begin(Some(&template), |number| start(&template, number).wait()?.wait().map(drop))?;
    template.spares(SPARES)?;
    drive(tally, u64::MAX, |number| start(&template, number));
    template.spares(0..=0)?;
    setting::end(tally);
    Ok(())
}
