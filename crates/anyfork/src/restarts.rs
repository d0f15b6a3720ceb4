//! Whether and when a template comes back: `Process::restarts`.

use crate::error::{Error, ErrorKind, Result};
use crate::origin::Origin;
use crate::process::Process;
use crate::recipe::Recipe;
use crate::served::Server;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How a template comes back when it has ended, or is to be replaced: see [`Process::restarts`].
///
/// ```
/// # use {anyfork::{ErrorKind, Process, Restarts}, std::time::Duration};
/// # #[anyfork::entry] fn work() {}
///
/// # fn main() -> anyfork::Result<()> {
/// let restarts = Restarts::automatic().limit(2).backoff(Duration::from_millis(1)..=Duration::from_millis(10));
/// let template = Process::new().restarts(restarts).template()?;
/// let error = loop {
///     // Somebody kills it again and again.
///     let _ = rustix::process::pidfd_send_signal(template.pidfd().unwrap(), rustix::process::Signal::KILL);
///     match template.fork().run(work) {
///         Err(error) if error.to_string().contains("2 times in a row") => break error,
///         _ => {}
///     }
/// };
/// assert_eq!(error.kind(), ErrorKind::TemplateGone);
/// template.restart()?; // when the cause has been found
/// assert!(template.fork().run(work)?.wait()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restarts {
    automatic: bool,
    limit: u32,
    first: Duration,
    most: Duration,
    settled_after: Duration,
}

impl Restarts {
    /// Only [`Template::restart`](crate::Template::restart) restarts it.
    pub fn by_hand() -> Self {
        Restarts { automatic: false, ..Self::automatic() }
    }

    /// A start that finds it ended restarts it first: at once, and if it does not last, up to 10 times in a row, after 100 ms, 200 ms and so on, at most 10 s each.
    pub fn automatic() -> Self {
        Restarts {
            automatic: true,
            limit: 10,
            first: Duration::from_millis(100),
            most: Duration::from_secs(10),
            settled_after: Duration::from_secs(10),
        }
    }

    /// How many automatic restarts there may be in a row: 10 if nothing is said. Those that fail count, and those whose template has not [lasted](Restarts::settled_after). From then on
    /// only [`Template::restart`](crate::Template::restart) restarts it.
    pub fn limit(mut self, restarts: u32) -> Self {
        self.limit = restarts;
        self
    }

    /// How long after a restart in a row, counted from when it was ready or failed, the next one may come: the first time the start of the range, then twice as long each time, at most the end of it.
    /// `100 ms..=10 s` if nothing is said. Nobody sleeps so long: starts fail meanwhile.
    pub fn backoff(mut self, range: RangeInclusive<Duration>) -> Self {
        (self.first, self.most) = range.into_inner();
        self
    }

    /// How long a template must have been there for its restarts to be counted anew: 10 s if nothing is said. What counts is when a start finds that it has ended.
    pub fn settled_after(mut self, duration: Duration) -> Self {
        self.settled_after = duration;
        self
    }

    pub(crate) fn is_automatic(self) -> bool {
        self.automatic
    }

    pub(crate) fn is_settled(self, age: Duration) -> bool {
        age >= self.settled_after
    }

    /// How long after so many restarts in a row the next one may come. `None`: never.
    fn pause(self, in_a_row: u32) -> Option<Duration> {
        match in_a_row {
            many if many >= self.limit => None,
            0 => Some(Duration::ZERO),
            some => Some(self.first.saturating_mul(1 << (some - 1).min(30)).min(self.most)),
        }
    }

    fn check(self) -> Result<()> {
        if self.first > self.most {
            let message = "the first time to wait cannot be longer than the longest";
            return Err(Error::new(ErrorKind::InvalidInput, "restarts", message));
        }
        Ok(())
    }
}

/// Restarts in a row, after none of which the template has lasted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    in_a_row: u32,
    /// When the last one was over: the template was ready, or it failed.
    last: Option<Instant>,
}

impl Tally {
    pub(crate) fn add(&mut self, now: Instant) {
        *self = Tally { in_a_row: self.in_a_row + 1, last: Some(now) };
    }

    /// Whether the next one may come.
    ///
    /// # Errors
    /// What has been and what will be, in words.
    pub(crate) fn permit(&self, restarts: Restarts, now: Instant) -> std::result::Result<(), String> {
        let so_far = match self.in_a_row {
            0 => "it was not restarted".into(),
            1 => "it was restarted once".into(),
            times => format!("it was restarted {times} times in a row"),
        };
        let Some(pause) = restarts.pause(self.in_a_row) else {
            return Err(format!("{so_far}, and only Template::restart does that now"));
        };
        let left = self.last.map_or(Duration::ZERO, |last| pause.saturating_sub(now.saturating_duration_since(last)));
        if left.is_zero() {
            return Ok(());
        }
        Err(format!("{so_far}, and is again after {} ms", left.as_millis().max(1)))
    }
}

impl<S: Server> Process<S> {
    /// Keeps the recipe of the template that this process becomes, so that it can be made once more: with [`Template::restart`](crate::Template::restart), with
    /// [`Template::fresh`](crate::Template::fresh), and with [`Restarts::automatic`] also by itself. To be called before all that the process is given. A process that does not become a
    /// template has no use for it.
    ///
    /// The recipe is where the process comes from, and everything that it is given from here on, in that order: arguments, descriptors, its name, functions to call, code to evaluate, modules to load, and the
    /// [deadline](Process::deadline). Functions are called again, modules loaded again from their files as these are then. A new process of the default template has what that one has then; an interpreter what its
    /// [`Command`](crate::Command) says, at the time of the restart.
    ///
    /// Until the template is dropped, this program keeps a copy of the arguments, and a duplicate of each descriptor (dup(2): the same open file, its position included; a pipe or a connection has no end as long as
    /// there is a copy of its other side).
    ///
    /// **Automatic** restarts happen in the start that finds that the template has ended, which blocks for as long as the preparation takes, at most its deadline: `start` of a [fork](crate::Template::fork) then does so, too.
    /// (In an event loop, where that holds up other tasks, restart [by hand](Restarts::by_hand), and await [`start_restart`](crate::Template::start_restart).) If many threads come at once, one restarts it, and the others wait
    /// for that. Between restarts in a row there is a [pause](Restarts::backoff), and there is a [limit](Restarts::limit): then starts fail at once with [`TemplateGone`](ErrorKind::TemplateGone), whose text says how the
    /// template ended, or why it could not be restarted, and when that is tried again. Each start costs two system calls more, to see whether the template is there. What was under way when it ended fails.
    ///
    /// ```
    /// use anyfork::{ErrorKind, Process, Restarts};
    ///
    /// #[anyfork::entry]
    /// fn work(number: u32) {
    ///     assert_eq!(number, 7);
    /// }
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// let template = Process::new().restarts(Restarts::automatic()).arg(7).template()?;
    /// let first = template.pid();
    /// rustix::process::pidfd_send_signal(template.pidfd().unwrap(), rustix::process::Signal::KILL).unwrap();
    /// let worker = loop {
    ///     match template.fork().run(work) {
    ///         // What comes before the kill is noticed fails.
    ///         Err(error) if matches!(error.kind(), ErrorKind::TemplateGone | ErrorKind::ProcessGone) => continue,
    ///         result => break result?,
    ///     }
    /// };
    /// assert!(worker.wait()?.success());
    /// assert_ne!(template.pid(), first);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Come out of [`template`](Process::template): [`InvalidInput`](ErrorKind::InvalidInput) if the process has been given something before, or for a back-off whose range is empty;
    /// [`Unsupported`](ErrorKind::Unsupported) for a process that [another program](Process::from_fd) has started; [`System`](ErrorKind::System) if a descriptor cannot be duplicated.
    pub fn restarts(mut self, restarts: Restarts) -> Self {
        match self.check_restarts(restarts) {
            Ok(()) => {
                let origin = self.origin.clone();
                self.recipe = Some(Box::new(Recipe::new(restarts, origin, self.options, S::DIALECT)));
            }
            Err(error) => self.keep(error),
        }
        self
    }

    fn check_restarts(&self, restarts: Restarts) -> Result<()> {
        let wrong = |kind, message| Err(Error::new(kind, "restarts", message));
        if matches!(self.origin, Origin::Elsewhere) {
            return wrong(ErrorKind::Unsupported, "another program has started this process, and knows how");
        }
        if self.has_begun() {
            return wrong(ErrorKind::InvalidInput, "it must be called before the process is given anything");
        }
        restarts.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_end_at_the_limit() {
        let restarts = Restarts::automatic().backoff(100 * MS..=350 * MS).limit(5);
        let pauses: Vec<_> = (0..6).map(|in_a_row| restarts.pause(in_a_row)).collect();
        assert_eq!(pauses, [Some(0), Some(100), Some(200), Some(350), Some(350), None].map(|ms| ms.map(|ms| ms * MS)));
        assert_eq!(restarts.limit(u32::MAX).pause(u32::MAX - 1), Some(350 * MS));
        assert_eq!(restarts.limit(0).pause(0), None);
    }

    #[test]
    fn a_restart_is_permitted_when_its_pause_is_over() {
        let restarts = Restarts::automatic().backoff(100 * MS..=1000 * MS).limit(3);
        let (mut tally, begin) = (Tally::default(), Instant::now());
        assert_eq!(tally.permit(restarts, begin), Ok(()));
        tally.add(begin);
        let refused = tally.permit(restarts, begin + 40 * MS).unwrap_err();
        assert_eq!(refused, "it was restarted once, and is again after 60 ms");
        assert_eq!(tally.permit(restarts, begin + 100 * MS), Ok(()));
        tally.add(begin + 100 * MS);
        let refused = tally.permit(restarts, begin + 250 * MS).unwrap_err();
        assert_eq!(refused, "it was restarted 2 times in a row, and is again after 50 ms");
        tally.add(begin + 300 * MS);
        let refused = tally.permit(restarts, begin + 3600 * 1000 * MS).unwrap_err();
        assert_eq!(refused, "it was restarted 3 times in a row, and only Template::restart does that now");
    }
}
