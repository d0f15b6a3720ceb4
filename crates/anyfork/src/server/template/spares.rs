//! What a template is to fork in advance, when it has nothing else to do.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Spares {
    /// Ids, and when each of the batch may be forked.
    batches: VecDeque<(std::ops::Range<u64>, Instant)>,
}

impl Spares {
    pub(super) fn order(&mut self, first: u64, count: u32, delay_us: u32) {
        let at = Instant::now() + Duration::from_micros(delay_us.into());
        self.batches.push_back((first..first.saturating_add(count.into()), at));
    }

    /// How long the template may sleep.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.batches.front().map(|(_, at)| at.saturating_duration_since(Instant::now()))
    }

    /// The id of one that is to be forked now.
    pub(super) fn next(&mut self) -> Option<u64> {
        let (ids, at) = self.batches.front_mut()?;
        if *at > Instant::now() {
            return None;
        }
        let id = ids.next();
        if ids.is_empty() {
            self.batches.pop_front();
        }
        id
    }

    /// Those with ids from this one on are not forked.
    pub(super) fn take_back(&mut self, first: u64) {
        self.batches.retain_mut(|(ids, _)| {
            ids.end = ids.end.min(first);
            !ids.is_empty()
        });
    }

    pub(super) fn clear(&mut self) {
        self.batches.clear();
    }
}
