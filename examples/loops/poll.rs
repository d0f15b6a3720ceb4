//! anyfork in a loop of poll(2): all that is pending is in the list of descriptors, and nothing has to be registered.
//!
//! The same work as in `epoll`, `mio`, `calloop` and `glib`: see `work.rs`.
//!
//! Run it: `cargo run --release --example poll`

mod work;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use std::time::Instant;
use work::{Job, Progress, TICK};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut pending: Vec<Job> = work::start_all().into_iter().filter_map(advance).collect();
    let mut next_tick = Instant::now() + TICK;
    let mut ticks = 0;
    while !pending.is_empty() {
        let ready = wait(&pending, next_tick)?;
        if next_tick <= Instant::now() {
            next_tick += TICK;
            ticks += 1;
        }
        // Those that have nothing to say stay as they are.
        let jobs = pending.into_iter().zip(ready);
        pending = jobs.filter_map(|(job, ready)| if ready { advance(job) } else { Some(job) }).collect();
    }
    println!("{ticks} ticks meanwhile");
    Ok(())
}

/// Sleeps until a descriptor is readable or the time has come. Says which jobs are to be asked.
fn wait(pending: &[Job], until: Instant) -> Result<Vec<bool>, Box<dyn std::error::Error>> {
    let mut descriptors: Vec<PollFd> = pending.iter().map(|job| PollFd::new(job, PollFlags::IN)).collect();
    let left = Timespec::try_from(until.saturating_duration_since(Instant::now()))?;
    retry_on_intr(|| poll(&mut descriptors, Some(&left)))?;
    Ok(descriptors.iter().map(|descriptor| !descriptor.revents().is_empty()).collect())
}

/// Goes on with a job until it has to be waited for, if ever.
fn advance(mut job: Job) -> Option<Job> {
    loop {
        match job.ask() {
            Progress::Pending => return Some(job),
            Progress::Started(end) => job = end,
            Progress::Over => return None,
        }
    }
}
