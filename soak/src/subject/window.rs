//! Processes in flight: some that start, some that run.

use super::ending;
use super::ends::Ends;
use super::tally::{Harm, Tally};
use anyfork::Starting;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many of each sort.
const DEPTH: usize = 32;

/// Of a start that nothing hurries.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// What is known of one in flight.
struct Flight {
    number: u64,
    due: Instant,
    /// What had been done before it was started excuses nothing.
    before: Harm,
}

pub(super) struct Window<'a, T: Ends> {
    tally: &'a Tally,
    starting: VecDeque<(Flight, Starting<T>)>,
    running: VecDeque<(Flight, T)>,
}

impl<'a, T: Ends> Window<'a, T> {
    pub(super) fn new(tally: &'a Tally) -> Self {
        Window { tally, starting: VecDeque::new(), running: VecDeque::new() }
    }

    /// Starts one, and sees what becomes of the oldest if there are as many as there may be.
    pub(super) fn start(&mut self, number: u64, deadline: Duration, start: impl FnOnce() -> Starting<T>) {
        let (before, begun) = (self.tally.harm(), Instant::now());
        let starting = start();
        self.tally.returned("start", begun);
        let flight = Flight { number, due: begun + deadline, before };
        self.starting.push_back((flight, starting));
        if self.starting.len() > DEPTH {
            self.see_start();
        }
        if self.running.len() > DEPTH {
            self.see_end();
        }
    }

    /// Sees what becomes of all.
    pub(super) fn drain(&mut self) {
        while !self.starting.is_empty() {
            self.see_start();
        }
        while !self.running.is_empty() {
            self.see_end();
        }
    }

    /// One that runs, to be disturbed.
    pub(super) fn running(&self, index: usize) -> Option<&T> {
        self.running.get(index).map(|(_, one)| one)
    }

    fn see_start(&mut self) {
        let Some((flight, starting)) = self.starting.pop_front() else { return };
        let due = flight.due.max(Instant::now());
        let started = starting.wait();
        self.tally.returned("the wait for a start", due);
        match started {
            Ok(one) => self.running.push_back((flight, one)),
            Err(error) => self.tally.failed(flight.number, &error),
        }
    }

    fn see_end(&mut self) {
        let Some((Flight { number, before, .. }, mut one)) = self.running.pop_front() else { return };
        let patience = self.tally.patience;
        let heard = ending::said(number).map_or(Ok(()), |said| match one.hear(said.len(), patience) {
            Ok(heard) if heard == said => Ok(()),
            Ok(heard) => Err(format!("it said {heard:?}, not {said:?}")),
            Err(error) => Err(format!("what it was to say did not come: {error}")),
        });
        let due = Instant::now() + patience;
        let end = one.end(number, patience);
        self.tally.returned("the wait for an end", due);
        self.tally.ended(number, before, end, heard);
    }
}

/// Starts one after another up to a limit, and sees what becomes of all.
pub(super) fn drive<T: Ends>(tally: &Tally, limit: u64, start: impl Fn(u64) -> Starting<T>) {
    let mut window = Window::new(tally);
    while let Some(number) = tally.next(limit) {
        window.start(number, DEADLINE, || start(number));
    }
    window.drain();
}
