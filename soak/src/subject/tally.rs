//! What became of each process that was to be started.

use super::ending;
use super::tell;
use crate::oracle::Oracle;
use crate::plan::Task;
use crate::words::Word;
use anyfork::{Error, ErrorKind, ExitStatus};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The observer is told of every so many, and of so many times at least.
const TELL_EVERY: u64 = 1000;
const TELL_TIMES: u64 = 100;

/// So many of one kind are told; after that they are only counted.
const MOST_TOLD: u64 = 20;

/// How late a call may be on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);

/// So many failures in a row are no recovery.
const HOPELESS: u64 = 2000;

/// What may excuse a status or an error: so many times were processes killed, and templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Harm {
    pub(super) shots: u64,
    pub(super) templates: u64,
}

/// Shared by the threads that start.
#[derive(Debug)]
pub(super) struct Tally {
    workers: u64,
    until: Instant,
    pub(super) patience: Duration,
    /// Whether errors may come.
    has_faults: bool,
    next: AtomicU64,
    told: AtomicU64,
    right: AtomicU64,
    wrong: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
    failed_in_a_row: AtomicU64,
    /// In microseconds.
    latest: AtomicU64,
    shots: AtomicU64,
    templates: AtomicU64,
    notes: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    pub(super) fn new(task: &Task) -> Self {
        let zero = AtomicU64::default;
        Tally {
            workers: task.workers,
            until: Instant::now() + task.limit,
            patience: task.patience,
            has_faults: task.soak == crate::plan::Soak::Faults,
            next: zero(),
            told: zero(),
            right: zero(),
            wrong: zero(),
            failed: zero(),
            lost: zero(),
            dropped: zero(),
            failed_in_a_row: zero(),
            latest: zero(),
            shots: zero(),
            templates: zero(),
            notes: Mutex::default(),
        }
    }

    /// The number of the next that is to be started below a limit, while there is time.
    pub(super) fn next(&self, limit: u64) -> Option<u64> {
        if Instant::now() >= self.until {
            return None;
        }
        let more = |next| (next < limit.min(self.workers)).then_some(next + 1);
        self.next.fetch_update(Relaxed, Relaxed, more).ok()
    }

    pub(super) fn started(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Those up to a share of all.
    pub(super) fn share(&self, part: u64, of: u64) -> u64 {
        self.workers * part / of
    }

    pub(super) fn harm(&self) -> Harm {
        Harm { shots: self.shots.load(Relaxed), templates: self.templates.load(Relaxed) }
    }

    /// A process is about to be killed, that one or any.
    pub(super) fn shoot(&self) {
        self.shots.fetch_add(1, Relaxed);
    }

    /// A template is about to be killed.
    pub(super) fn shoot_template(&self) {
        self.templates.fetch_add(1, Relaxed);
    }

    /// How a process ended. `None`: nobody says.
    pub(super) fn ended(
        &self,
        number: u64,
        before: Harm,
        end: anyfork::Result<Option<ExitStatus>>,
        heard: Result<(), String>,
    ) {
        let now = self.harm();
        match end {
            Ok(Some(status)) => {
                let killed = status.signal() == Some(9) && now.shots != before.shots;
                let expected = ending::of(number).status();
                if status.into_raw() != expected && !killed {
                    let expected = std::process::ExitStatus::from_raw(expected);
                    let what = format!("process {number}: {status}, not {expected}");
                    self.count(&self.wrong, Oracle::Status, what);
                } else if let (Err(what), false) = (heard, killed) {
                    self.count(&self.wrong, Oracle::Status, format!("process {number}: {what}"));
                } else {
                    self.right.fetch_add(1, Relaxed);
                    self.failed_in_a_row.store(0, Relaxed);
                }
            }
            Ok(None) => {
                self.count(&self.lost, Oracle::Lost, format!("process {number}: no status after {:?}", self.patience))
            }
            Err(error) if error.kind() == ErrorKind::Lost && now.templates != before.templates => {
                self.lost.fetch_add(1, Relaxed);
            }
            Err(error) => self.count(&self.lost, Oracle::Lost, format!("process {number}: {error}")),
        }
        self.told();
    }

    /// It has not done what it was to do.
    pub(super) fn wrong(&self, number: u64, what: String) {
        self.count(&self.wrong, Oracle::Status, format!("process {number}: {what}"));
        self.told();
    }

    pub(super) fn failed(&self, number: u64, error: &Error) {
        let known = if self.has_faults { excuse(error) } else { None };
        match known {
            Some(kind) => self.note(kind),
            None => self.trouble(Oracle::Errors, format!("process {number}: {:?}: {error}", error.kind())),
        }
        self.failed.fetch_add(1, Relaxed);
        if self.failed_in_a_row.fetch_add(1, Relaxed) == HOPELESS {
            self.trouble(Oracle::Recovery, format!("{HOPELESS} failures in a row, the last: {error}"));
        }
        self.told();
    }

    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
        self.told();
    }

    /// A call has returned that was to do so by then.
    pub(super) fn returned(&self, what: &str, due: Instant) {
        let late = due.elapsed();
        self.latest.fetch_max(late.as_micros() as u64, Relaxed);
        if late > SLACK {
            self.trouble(Oracle::Deadline, format!("{what} returned {late:?} after it was due"));
        }
    }

    /// Something to be counted by its name.
    pub(super) fn note(&self, what: impl Into<String>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        *notes.entry(what.into()).or_default() += 1;
    }

    pub(super) fn trouble(&self, oracle: Oracle, what: String) {
        tell(&Word::Trouble(oracle, what));
    }

    fn count(&self, counter: &AtomicU64, oracle: Oracle, what: String) {
        if counter.fetch_add(1, Relaxed) < MOST_TOLD {
            self.trouble(oracle, what);
        }
    }

    fn told(&self) {
        let count = self.told.fetch_add(1, Relaxed) + 1;
        if count.is_multiple_of((self.workers / TELL_TIMES).clamp(1, TELL_EVERY)) {
            tell(&Word::Count(count));
        }
    }

    fn outcomes(&self) -> [(&'static str, u64); 5] {
        [
            ("with the right status", &self.right),
            ("with a wrong status", &self.wrong),
            ("failed to start", &self.failed),
            ("lost", &self.lost),
            ("given up", &self.dropped),
        ]
        .map(|(name, counter)| (name, counter.load(Relaxed)))
    }

    /// What is wrong if not each that was to start came to exactly one thing.
    fn unaccounted(&self) -> Option<String> {
        let (started, sum) = (self.started(), self.outcomes().iter().map(|(_, count)| count).sum::<u64>());
        (sum != started).then(|| format!("{started} were to start, and {sum} came to something"))
    }

    /// Tells all figures.
    pub(super) fn report(&self) {
        let figure = |name: &str, value: u64| tell(&Word::Figure(name.to_owned(), value as f64));
        let started = self.started();
        figure("workers", started);
        self.outcomes().iter().for_each(|(name, count)| figure(name, *count));
        if let Some(what) = self.unaccounted() {
            self.trouble(Oracle::Sum, what);
        }
        if self.right.load(Relaxed) * 2 < started {
            self.trouble(Oracle::Recovery, "not even half of them came to their end".into());
        }
        figure("microseconds that the latest call was late", self.latest.load(Relaxed));
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.iter().for_each(|(name, count)| figure(name, *count));
    }
}

/// What a fault may come to. Anything else is an error.
fn excuse(error: &Error) -> Option<String> {
    match (error.kind(), error.raw_os_error().map(Errno::from_raw_os_error)) {
        (kind @ (ErrorKind::TemplateGone | ErrorKind::ProcessGone | ErrorKind::Deadline), _) => {
            Some(format!("failed: {kind:?}"))
        }
        (ErrorKind::System, Some(errno @ (Errno::MFILE | Errno::AGAIN))) => {
            Some(format!("failed: {}", if errno == Errno::MFILE { "EMFILE" } else { "EAGAIN" }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Soak;

    #[test]
    fn one_that_came_to_nothing_or_to_two_things_is_found() {
        let (limit, patience) = (Duration::from_secs(60), Duration::from_secs(1));
        let tally = Tally::new(&Task { soak: Soak::Plain, workers: 2, faults_every: 0, seed: 0, limit, patience });
        assert_eq!((tally.next(2), tally.next(2), tally.next(2)), (Some(0), Some(1), None));
        tally.dropped();
        assert_eq!(tally.unaccounted().as_deref(), Some("2 were to start, and 1 came to something"));
        tally.dropped();
        assert_eq!(tally.unaccounted(), None);
        tally.dropped();
        assert!(tally.unaccounted().is_some());
    }
}
