//! Processes that a template forks in advance: `Template::spares`.

use crate::error::{Error, ErrorKind, Result};
use crate::served::Reserves;
use crate::template::Template;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The most that may wait.
const MOST: usize = 1024;

/// How many processes a template keeps waiting: see [`Template::spares`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spares {
    min: usize,
    max: usize,
    delay: Duration,
}

impl Spares {
    /// When no more than `min` are left, the template forks as many as are missing to `max`.
    pub fn new(range: RangeInclusive<usize>) -> Self {
        Spares { min: *range.start(), max: *range.end(), delay: Duration::ZERO }
    }

    /// How long the template waits before it does, so that it does not compete for the processor with what was just started: 0 if nothing is said. To microseconds.
    ///
    /// ```
    /// # use {anyfork::{Process, Spares}, std::time::Duration};
    /// # #[anyfork::entry] fn serve() {}
    /// # fn main() -> anyfork::Result<()> {
    /// let template = Process::new().template()?;
    /// template.spares(Spares::new(2..=8).delay(Duration::from_millis(5)))?;
    /// assert!(template.fork().run(serve)?.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(crate) fn min(self) -> usize {
        self.min
    }

    pub(crate) fn max(self) -> usize {
        self.max
    }

    pub(crate) fn delay_us(self) -> u32 {
        self.delay.as_micros().try_into().unwrap_or(u32::MAX)
    }

    fn check(self) -> Result<()> {
        let message = match self {
            Spares { min, max, .. } if min > max => "there cannot be fewer at most than at least",
            Spares { max, .. } if max > MOST => "at most 1024 processes may wait",
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::InvalidInput, "spares", message))
    }
}

impl From<RangeInclusive<usize>> for Spares {
    fn from(range: RangeInclusive<usize>) -> Self {
        Spares::new(range)
    }
}

impl<S: Reserves> Template<S> {
    /// Keeps processes waiting that were forked in advance, each with its socket: a [`fork`](Template::fork) takes one if there is one, and only its orders have to arrive. Blocks for nothing but
    /// a message to the template, which forks in the background, after all starts that have been ordered.
    ///
    /// `template.spares(2..=8)`: eight wait, and when two are left, six more are forked. `0..=0` ends those that wait, and no more are forked in advance. Called again, the new numbers hold: those that are too many end, also if they are still to be forked.
    ///
    /// A spare is a fork like any other: it has what the template has, its [`after_fork`](macro@crate::after_fork) functions (Python's `os.register_at_fork`) have run, and it ends with the template
    /// and with the program as long as nobody has taken it. `ps` shows it as `anyfork: spare`. It is used once. One that is known to have ended is not handed out; if it was killed a moment ago, its start fails ([`ProcessGone`](ErrorKind::ProcessGone)). If more are started at once than wait, the others are forked as usual.
    ///
    /// Templates of the program itself and of [`Python`](crate::Python) have spares. For those of [`Perl`](crate::Perl) this does not compile: AnyEvent::Fork's server forks when it is told to, and at no
    /// other time.
    ///
    /// Each costs a process, a descriptor here, and the memory that [`spares_memory`](Template::spares_memory) tells. The worker's socket was made by the template, so
    /// `SO_PEERCRED` (unix(7)) shows the template there. External programs ([`Template::command`]) use none.
    ///
    /// ```
    /// #[anyfork::entry]
    /// fn work() {}
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// let template = anyfork::Process::new().template()?;
    /// template.spares(2..=8)?;
    /// let worker = template.fork().run(work)?; // nothing is forked here, if a spare waits already
    /// assert!(worker.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an empty range or more than 1,024, [`TemplateGone`](ErrorKind::TemplateGone), [`ForeignHandle`](ErrorKind::ForeignHandle). If the template cannot fork,
    /// there are no spares, and a start that it cannot serve either says why.
    pub fn spares(&self, spares: impl Into<Spares>) -> Result<()> {
        let spares = spares.into();
        spares.check()?;
        self.source().set_spares(spares)
    }

    /// How many wait, as far as has been heard from the template. Never blocks.
    pub fn spares_waiting(&self) -> usize {
        self.waiting_spares().len()
    }

    /// The private memory of all that wait, in bytes, as the kernel counts it (proc_pid_smaps_rollup(5)): what would be free without them. Reads one file each. It means nothing for an interpreter
    /// in a PID namespace of its own, whose forks have numbers that mean others here.
    pub fn spares_memory(&self) -> u64 {
        self.waiting_spares().into_iter().filter_map(private_memory).sum()
    }

    fn waiting_spares(&self) -> Vec<u32> {
        self.source().line().map_or_else(Vec::new, |line| line.waiting_spares())
    }
}

/// `None` if it has ended, or if its memory is hidden.
fn private_memory(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let lines = text.lines().filter(|line| line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:"));
    Some(lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024)
}
