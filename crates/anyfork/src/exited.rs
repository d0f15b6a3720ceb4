//! The end of a worker, as a value that an event loop can wait for.

use crate::error::{Error, Result};
use crate::line::Witness;
use crate::rt::{Awaited, Link};
use crate::status::ExitStatus;
use crate::sys::pidfd::Life;
use crate::watch::{self, Lookout, SLOW_TICK, TICK, Watch};
use crate::worker::Lifeline;
use rustix::event::epoll::EventFlags;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The end of a worker: made by [`Worker::exited`](crate::Worker::exited).
///
/// **Await** it (features `tokio`, `smol`), or [wait](Exited::wait) for it, or bring it into any other event loop: call [`try_finish`](Exited::try_finish); while it returns
/// `None`, wait until the descriptor ([`AsFd`]) is readable, and call it again. See [`Pending`](crate::Pending). Dropping it changes nothing for the worker.
///
/// ```
/// # use std::os::fd::AsFd;
/// #[anyfork::entry]
/// fn brief() -> std::process::ExitCode {
///     std::process::ExitCode::from(7)
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// let worker = anyfork::Process::new().run(brief)?;
/// let mut exited = worker.exited();
/// let status = loop {
///     if let Some(status) = exited.try_finish()? {
///         break status;
///     }
///     // Any loop will do; this is poll(2).
///     let mut poll = [rustix::event::PollFd::new(&exited, rustix::event::PollFlags::IN)];
///     rustix::event::poll(&mut poll, None).unwrap();
/// };
/// assert_eq!(status.code(), Some(7));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Exited {
    life: Arc<Lifeline>,
    /// Whether the template's end is watched too.
    witness: OnceLock<Witness>,
    lookout: Lookout,
    link: Link,
}

impl Exited {
    pub(crate) fn new(life: Arc<Lifeline>) -> Self {
        Exited { life, witness: OnceLock::new(), lookout: Lookout::default(), link: Link::default() }
    }

    /// The same, seen by a watch that somebody has already.
    pub(crate) fn seen_by(life: Arc<Lifeline>, watch: Arc<Watch>) -> io::Result<Self> {
        let exited = Exited { lookout: Lookout::from(Arc::clone(&watch)), ..Exited::new(life) };
        exited.show(&watch)?;
        Ok(exited)
    }

    /// The exit status, if the worker has ended. Never blocks. After the status was returned it is returned again.
    ///
    /// # Errors
    /// As [`Worker::wait`](crate::Worker::wait).
    pub fn try_finish(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.life.check()?;
        if let Some(watch) = self.lookout.get().cloned() {
            watch.take_tick();
            if status.is_none() {
                self.adjust(&watch).map_err(|error| Error::system("wait", error))?;
            }
        }
        Ok(status)
    }

    /// Makes a watch readable when the status may be there: at the hang-up of the pidfd, or when the template is gone. Where too many watch the template
    /// already, when the process has ended, which is a moment too early.
    fn show(&self, watch: &Watch) -> io::Result<()> {
        let Some(pidfd) = self.life.pidfd() else { return watch.set_ticking(Some(TICK)) };
        let line = self.life.line().filter(|_| self.life.hangs_up_with_status());
        let Some((line, witness)) = line.and_then(|line| Some((line, line.witness()?))) else {
            return watch.add(pidfd, EventFlags::IN);
        };
        let _ = self.witness.set(witness);
        watch.add(pidfd, EventFlags::empty())?;
        watch.add(line, EventFlags::RDHUP)
    }

    /// The status was not there: what to wait for now.
    fn adjust(&mut self, watch: &Watch) -> io::Result<()> {
        let Some(pidfd) = self.life.pidfd() else { return Ok(()) };
        let hangs_up = self.life.hangs_up_with_status();
        match self.life.life() {
            Life::Runs if hangs_up => Ok(()),
            Life::Runs => {
                // The template is gone; whoever adopted the process may never wait for it, so its end alone counts.
                leave_line(&mut self.witness, &self.life, watch);
                watch.change(pidfd, EventFlags::IN)
            }
            // Only the moment between the end and its report.
            Life::Ended if hangs_up && self.witness.get().is_some() => Ok(()),
            Life::Ended if hangs_up => {
                watch.change(pidfd, EventFlags::empty())?;
                // If the template dies in that moment, there may be no hang-up.
                watch.set_ticking(Some(SLOW_TICK))
            }
            // The report may still be on its way, if many are.
            Life::Ended | Life::Reaped => {
                leave_line(&mut self.witness, &self.life, watch);
                watch.remove(pidfd);
                watch.set_ticking(Some(TICK))
            }
        }
    }

    pub(crate) fn watch(&self) -> Result<&Arc<Watch>> {
        self.lookout.get_or_make(|| {
            let watch = Arc::new(Watch::new()?);
            self.show(&watch)?;
            Ok(watch)
        })
    }

    /// Waits for the end. Blocks without a limit.
    ///
    /// # Errors
    /// As [`Worker::wait`](crate::Worker::wait).
    pub fn wait(self) -> Result<ExitStatus> {
        self.life.wait_for_ever()
    }
}

/// Readable when [`try_finish`](Exited::try_finish) has something to do. One descriptor, the same until the value is dropped, made when it is first asked
/// for. When this process has no more descriptors, it is one that is always readable, so that the loop goes on asking.
impl AsFd for Exited {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch().map_or_else(|_| watch::last_resort(), |watch| watch.as_fd())
    }
}

impl Awaited for Exited {
    fn watch(&self) -> Result<&Arc<Watch>> {
        Exited::watch(self)
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}

fn leave_line(witness: &mut OnceLock<Witness>, life: &Lifeline, watch: &Watch) {
    if let (Some(_), Some(line)) = (witness.take(), life.line()) {
        watch.remove(line);
    }
}
