//! anyfork in a loop of the crate `mio`, which tokio stands on: a descriptor is a source with a token.
//!
//! The same work as in `poll`, `epoll`, `calloop` and `glib`: see `work.rs`.
//!
//! Run it: `cargo run --release --example mio`

mod work;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;
use work::{Job, Progress, TICK};

/// mio's poll, and what each token stands for.
struct Loop {
    poll: Poll,
    pending: HashMap<Token, Job>,
    next_token: usize,
}

fn main() -> io::Result<()> {
    let mut jobs = Loop { poll: Poll::new()?, pending: HashMap::new(), next_token: 0 };
    for job in work::start_all() {
        jobs.add(job)?;
    }
    let mut events = Events::with_capacity(16);
    let mut next_tick = Instant::now() + TICK;
    let mut ticks = 0;
    while !jobs.pending.is_empty() {
        jobs.wait(&mut events, next_tick)?;
        for event in &events {
            jobs.ready(event.token())?;
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
    fn add(&mut self, mut job: Job) -> io::Result<()> {
        match job.ask() {
            Progress::Pending => {
                let token = Token(self.next_token);
                self.next_token += 1;
                let descriptor = job.as_fd().as_raw_fd();
                self.poll.registry().register(&mut SourceFd(&descriptor), token, Interest::READABLE)?;
                self.pending.insert(token, job);
                Ok(())
            }
            Progress::Started(end) => self.add(end),
            Progress::Over => Ok(()),
        }
    }

    /// Sleeps until a descriptor is readable or the time has come.
    fn wait(&mut self, events: &mut Events, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        match self.poll.poll(events, Some(left)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            outcome => outcome,
        }
    }

    /// The descriptor of this job is readable.
    fn ready(&mut self, token: Token) -> io::Result<()> {
        let Some(mut job) = self.pending.remove(&token) else { return Ok(()) };
        match job.ask() {
            Progress::Pending => {
                self.pending.insert(token, job);
                Ok(())
            }
            // Its old descriptor is closed with it, which deregisters it.
            Progress::Started(end) => self.add(end),
            Progress::Over => Ok(()),
        }
    }
}
