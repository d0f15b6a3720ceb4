//! anyfork in a loop of epoll(7), edge-triggered: what is pending is registered once, and leaves the set when it is dropped.
//!
//! The same work as in `poll`, `mio`, `calloop` and `glib`: see `work.rs`.
//!
//! Run it: `cargo run --release --example epoll`

mod work;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::retry_on_intr;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::Instant;
use work::{Job, Progress, TICK};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The set of descriptors, and what each is of.
struct Loop {
    epoll: OwnedFd,
    pending: HashMap<u64, Job>,
    next_key: u64,
}

fn main() -> Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut jobs = Loop { epoll, pending: HashMap::new(), next_key: 0 };
    for job in work::start_all() {
        jobs.add(job)?;
    }
    let mut next_tick = Instant::now() + TICK;
    let mut ticks = 0;
    while !jobs.pending.is_empty() {
        for event in jobs.wait(next_tick)? {
            jobs.ready(event.data.u64())?;
        }
        if next_tick <= Instant::now() {
            next_tick += TICK;
            ticks += 1;
        }
    }
    println!("{ticks} ticks meanwhile");
    Ok(())
}

impl Loop {
    /// Takes in what is new. It is asked first, and registered only if it has to be waited for.
    fn add(&mut self, mut job: Job) -> Result<()> {
        match job.ask() {
            Progress::Pending => {
                let key = self.next_key;
                self.next_key += 1;
                epoll::add(&self.epoll, &job, EventData::new_u64(key), EventFlags::IN | EventFlags::ET)?;
                self.pending.insert(key, job);
                Ok(())
            }
            Progress::Started(end) => self.add(end),
            Progress::Over => Ok(()),
        }
    }

    /// Sleeps until a descriptor is readable or the time has come.
    fn wait(&self, until: Instant) -> Result<Vec<Event>> {
        let mut events = Vec::with_capacity(16);
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now()))?;
        retry_on_intr(|| epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&left)))?;
        Ok(events)
    }

    /// The descriptor of this job is readable.
    fn ready(&mut self, key: u64) -> Result<()> {
        let Some(mut job) = self.pending.remove(&key) else { return Ok(()) };
        match job.ask() {
            Progress::Pending => {
                self.pending.insert(key, job);
                Ok(())
            }
            // Its old descriptor is closed with it, and so leaves the set.
            Progress::Started(end) => self.add(end),
            Progress::Over => Ok(()),
        }
    }
}
