//! A place for one worker, which runs there or is awaited.

use crate::{Result, readable};
use anyfork::{Exited, Worker};
use rustix::event::PollFd;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

/// A worker that lived so long was a good one: its successor starts at once.
const GOOD_LIFE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(crate) struct Slot {
    state: State,
    /// Doubles while workers die young or cannot be started, so that a fault does not keep the machine busy.
    pause: Duration,
}

enum State {
    Empty { start_at: Instant },
    Taken { worker: Worker, exited: Exited, since: Instant, reports: bool },
}

impl Default for Slot {
    fn default() -> Self {
        Slot { state: State::Empty { start_at: Instant::now() }, pause: SHORTEST_PAUSE }
    }
}

impl Slot {
    pub(crate) fn put(&mut self, worker: Worker) {
        let exited = worker.exited();
        self.state = State::Taken { worker, exited, since: Instant::now(), reports: true };
    }

    pub(crate) fn worker(&self) -> Option<&Worker> {
        match &self.state {
            State::Taken { worker, .. } => Some(worker),
            State::Empty { .. } => None,
        }
    }

    /// When a worker is to be started here.
    pub(crate) fn start_at(&self) -> Option<Instant> {
        match &self.state {
            State::Empty { start_at } => Some(*start_at),
            State::Taken { .. } => None,
        }
    }

    /// What to wait for: the worker's end, and its socket as long as it is open.
    pub(crate) fn watched(&self) -> impl Iterator<Item = PollFd<'_>> {
        let (exited, socket) = match &self.state {
            State::Taken { worker, exited, reports, .. } => {
                (Some(readable(exited)), reports.then(|| readable(worker.socket())))
            }
            State::Empty { .. } => (None, None),
        };
        exited.into_iter().chain(socket)
    }

    /// How many requests the worker has served since the last time: it sends an octet for each.
    pub(crate) fn take_reports(&mut self) -> Result<u64> {
        let State::Taken { worker, reports, .. } = &mut self.state else { return Ok(0) };
        let mut served = 0;
        let mut octets = [0; 512];
        while *reports {
            match worker.socket().read(&mut octets) {
                // Its end follows; until then the socket would be readable all the time.
                Ok(0) => *reports = false,
                Ok(count) => served += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // It was killed with something unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => *reports = false,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(served)
    }

    /// How the worker ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<String>> {
        let State::Taken { exited, .. } = &mut self.state else { return Ok(None) };
        match exited.try_finish() {
            Ok(status) => Ok(status.map(|status| status.to_string())),
            // Its template was killed with it, and an old kernel keeps no statuses.
            Err(error) if error.kind() == anyfork::ErrorKind::Lost => Ok(Some(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes place for the next worker: at once after a good one, after a pause otherwise.
    pub(crate) fn vacate(&mut self) {
        match &self.state {
            State::Taken { since, .. } if since.elapsed() >= GOOD_LIFE => *self = Slot::default(),
            _ => self.pause(),
        }
    }

    /// Leaves the place empty for a while, the next time for longer.
    pub(crate) fn pause(&mut self) {
        self.state = State::Empty { start_at: Instant::now() + self.pause };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
