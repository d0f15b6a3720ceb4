//! The right to have a line in a watch, to see its end.

use super::Line;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// So many watches may have a line in them: the kernel lets a file be in 500 epoll sets that are in one other, and in fewer if there are more
/// levels.
const WITNESSES: usize = 64;

#[derive(Debug)]
pub(crate) struct Witness(Arc<Line>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.witnesses.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Line {
    /// `None` if there are as many as may be.
    pub(crate) fn witness(self: &Arc<Self>) -> Option<Witness> {
        let one_more = |count| (count < WITNESSES).then_some(count + 1);
        self.witnesses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Witness(Arc::clone(self)))
    }
}
