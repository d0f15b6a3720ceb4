//! Moments at which nothing is in flight: only then can memory be compared.

use super::let_look;
use super::tally::Tally;
use crate::words::Word;

/// So many in a soak.
pub(super) const RESTS: u64 = 40;

/// Does one part of a soak after another, by number and up to a limit. Each leaves nothing in flight, and is followed by a rest.
pub(super) fn after_each_part(tally: &Tally, mut part: impl FnMut(u64, u64)) {
    for number in 1..=RESTS {
        part(number, tally.share(number, RESTS));
        let_look(&Word::Rest(tally.started()));
    }
}
