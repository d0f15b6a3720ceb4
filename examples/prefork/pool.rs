//! The workers: started, watched with poll(2), replaced.

use crate::slot::Slot;
use crate::worker::serve;
use crate::{Result, readable};
use anyfork::{Process, Restarts, Template, Worker};
use rustix::event::{Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::SIGTERM;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// A fixed number of places for workers.
pub(crate) struct Pool {
    template: Template,
    slots: Vec<Slot>,
    served: u64,
}

impl Pool {
    pub(crate) fn start(listener: &TcpListener, workers: u32) -> Result<Self> {
        let template = Process::new().restarts(Restarts::automatic()).fd(listener).template()?;
        let slots = (0..workers).map(|_| Slot::default()).collect();
        let mut pool = Pool { template, slots, served: 0 };
        pool.fill();
        Ok(pool)
    }

    /// Starts a worker in every empty place whose pause is over. One that cannot be started is tried again later: the
    /// others go on serving.
    pub(crate) fn fill(&mut self) {
        let now = Instant::now();
        for place in 0..self.slots.len() {
            if self.slots[place].start_at().is_none_or(|at| at > now) {
                continue;
            }
            match self.start_worker() {
                Ok(worker) => {
                    println!("worker {} started", worker.pid());
                    self.slots[place].put(worker);
                }
                Err(error) => {
                    eprintln!("no worker started: {error}");
                    self.slots[place].pause();
                }
            }
        }
    }

    /// If somebody has killed the template, this brings it back.
    fn start_worker(&self) -> anyfork::Result<Worker> {
        self.template.fork().die_with_owner(true).kill_on_drop(true).run(serve)
    }

    /// Sleeps until something happens or the time has come. Says whether it happened to `signals`.
    pub(crate) fn wait(&self, signals: &UnixStream, until: Option<Instant>) -> Result<bool> {
        let mut watched = vec![readable(signals)];
        for slot in &self.slots {
            watched.extend(slot.watched());
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(Timespec::try_from).transpose()?;
        match poll(&mut watched, left.as_ref()) {
            Ok(_) => Ok(!watched[0].revents().is_empty()),
            // Interrupted: by the signal that is in the socket now.
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the workers' reports, and empties the places of those that have ended.
    pub(crate) fn look(&mut self) -> Result<()> {
        for slot in &mut self.slots {
            // In this order: what a worker reports comes before its end.
            let ended = slot.ended()?;
            self.served += slot.take_reports()?;
            if let Some(how) = ended {
                println!("worker {} ended: {how}", slot.worker().map_or(0, Worker::pid));
                slot.vacate();
            }
        }
        Ok(())
    }

    /// How many requests the workers have reported.
    pub(crate) fn served(&self) -> u64 {
        self.served
    }

    /// When the next worker is to be started, if a place is empty.
    pub(crate) fn next_start(&self) -> Option<Instant> {
        self.slots.iter().filter_map(Slot::start_at).min()
    }

    pub(crate) fn any_runs(&self) -> bool {
        self.slots.iter().any(|slot| slot.worker().is_some())
    }

    pub(crate) fn ask_to_end(&self) -> anyfork::Result<()> {
        self.slots.iter().filter_map(Slot::worker).try_for_each(|worker| worker.signal(SIGTERM))
    }

    pub(crate) fn kill(&self) -> anyfork::Result<()> {
        self.slots.iter().filter_map(Slot::worker).try_for_each(Worker::kill)
    }
}
