//! What is there before a soak begins, and how it is shown to the observer.

use super::ends::Ends;
use super::tally::Tally;
use super::{Outcome, pause, tell};
use crate::family;
use crate::words::Word;
use anyfork::{Server, Starting, Template};
use std::time::Duration;

/// So many are started before, so that all that is made on first use is there.
const FIRST: u64 = 64;

/// What has been closed last is closed after so long.
const MOMENT: Duration = Duration::from_millis(100);

/// The default template's number. There is one child, and no other.
pub(super) fn default_template() -> Option<u32> {
    family::children(std::process::id()).first().map(|child| child.pid)
}

/// Says who the templates are.
pub(super) fn tell_templates<S: Server>(template: Option<&Template<S>>) {
    let default = default_template().unwrap_or_default();
    tell(&Word::Templates(template.map_or(0, Template::pid), default));
}

/// Starts some that count for nothing, all at once, and lets the observer look.
pub(super) fn begin<S: Server, T: Ends>(
    tally: &Tally,
    template: Option<&Template<S>>,
    start: impl Fn(u64) -> Starting<T>,
) -> Outcome {
    let starting: Vec<_> = (0..FIRST).map(|number| (number, start(number))).collect();
    for (number, starting) in starting {
        starting.wait()?.end(number, tally.patience)?;
    }
    std::thread::sleep(MOMENT);
    tell_templates(template);
    pause("begin");
    Ok(())
}

/// Tells all figures, and lets the observer look again: nobody may be there but those who were at the beginning.
pub(super) fn end(tally: &Tally) {
    tally.report();
    pause("end");
}
