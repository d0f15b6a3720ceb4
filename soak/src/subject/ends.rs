//! Workers and external programs alike: what they say, and how they end.

use anyfork::{Child, ExitStatus, Started, Worker};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Something that was started and ends.
pub(super) trait Ends: Started {
    /// So many octets that it says, as text. An error if they do not come.
    fn hear(&mut self, count: usize, patience: Duration) -> io::Result<String>;

    /// Its end. `None`: it has not come in time.
    fn end(self, number: u64, patience: Duration) -> anyfork::Result<Option<ExitStatus>>;

    fn kill(&self) -> anyfork::Result<()>;
}

impl Ends for Worker {
    fn hear(&mut self, count: usize, patience: Duration) -> io::Result<String> {
        self.socket().set_read_timeout(Some(patience))?;
        exactly(self.socket(), count)
    }

    /// By turns in the two ways of waiting.
    fn end(self, number: u64, patience: Duration) -> anyfork::Result<Option<ExitStatus>> {
        if number.is_multiple_of(2) { self.wait_timeout(patience) } else { poll(self.exited(), patience) }
    }

    fn kill(&self) -> anyfork::Result<()> {
        Worker::kill(self)
    }
}

impl Ends for Child {
    fn hear(&mut self, count: usize, _: Duration) -> io::Result<String> {
        exactly(self.stdout.take().ok_or(io::ErrorKind::NotConnected)?, count)
    }

    fn end(self, number: u64, patience: Duration) -> anyfork::Result<Option<ExitStatus>> {
        if number.is_multiple_of(2) { self.wait_timeout(patience) } else { poll(self.exited(), patience) }
    }

    fn kill(&self) -> anyfork::Result<()> {
        Child::kill(self)
    }
}

fn exactly(mut from: impl Read, count: usize) -> io::Result<String> {
    let mut octets = vec![0; count];
    from.read_exact(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// As an event loop would.
pub(super) fn poll(mut exited: anyfork::Exited, patience: Duration) -> anyfork::Result<Option<ExitStatus>> {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = exited.try_finish()? {
            return Ok(Some(status));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let left = Timespec::try_from(left).ok();
        // Interrupted or not, it is asked again.
        let _ = rustix::event::poll(&mut [PollFd::new(&exited, PollFlags::IN)], left.as_ref());
    }
}
