//! The end of a worker, as a value that an event loop can wait for.

use crate::error::{Error, Result};
use crate::rt::{Awaited, Link};
use crate::status::ExitStatus;
use crate::sys::pidfd::Life;
use crate::watch::{self, Lookout, Watch};
use crate::worker::Lifeline;
use rustix::event::epoll::EventFlags;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
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
    lookout: Lookout,
    link: Link,
}

impl Exited {
    pub(crate) fn new(life: Arc<Lifeline>) -> Self {
        Exited { life, lookout: Lookout::default(), link: Link::default() }
    }

    /// The same, seen by a watch that somebody has already.
    pub(crate) fn seen_by(life: Arc<Lifeline>, watch: Arc<Watch>) -> io::Result<Self> {
        show(&watch, &life)?;
        Ok(Exited { life, lookout: Lookout::from(watch), link: Link::default() })
    }

    /// The exit status, if the worker has ended. Never blocks. After the status was returned it is returned again.
    ///
    /// # Errors
    /// As [`Worker::wait`](crate::Worker::wait).
    pub fn try_finish(&mut self) -> Result<Option<ExitStatus>> {
        if let Some(watch) = self.lookout.get() {
            watch.take_tick();
        }
        let status = self.life.check()?;
        if status.is_none()
            && let Some(watch) = self.lookout.get()
        {
            adjust(watch, &self.life).map_err(|error| Error::system("wait", error))?;
        }
        Ok(status)
    }

    /// Makes a watch readable when the status may be there.
    pub(crate) fn show(&self, watch: &Watch) -> io::Result<()> {
        show(watch, &self.life)
    }

    fn watch(&self) -> Result<&Arc<Watch>> {
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
        self.watch().map_or_else(|_| watch::always_ready(), |watch| watch.as_fd())
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

/// Makes `watch` readable when the status may be there: at the hang-up of the pidfd, or when the template is gone.
fn show(watch: &Watch, life: &Lifeline) -> io::Result<()> {
    match (life.pidfd(), life.line()) {
        (Some(pidfd), Some(line)) if life.hangs_up_with_status() => {
            watch.add(pidfd, EventFlags::empty())?;
            watch.add(line, EventFlags::RDHUP)
        }
        (Some(pidfd), _) => watch.add(pidfd, EventFlags::IN),
        (None, _) => watch.set_ticking(true),
    }
}

/// The status was not there: what to wait for now.
fn adjust(watch: &Watch, life: &Lifeline) -> io::Result<()> {
    let Some(pidfd) = life.pidfd() else { return Ok(()) };
    match life.life() {
        Life::Runs if life.hangs_up_with_status() => {}
        Life::Runs => {
            // The template is gone; whoever adopted the process may never wait for it, so its end alone counts.
            if let Some(line) = life.line() {
                watch.remove(line);
            }
            watch.remove(pidfd);
            watch.add(pidfd, EventFlags::IN)?;
        }
        // Only the moment between the hang-up and its report.
        Life::Ended if life.hangs_up_with_status() => {}
        Life::Ended | Life::Reaped => {
            if let Some(line) = life.line() {
                watch.remove(line);
            }
            watch.remove(pidfd);
            watch.set_ticking(true)?;
        }
    }
    Ok(())
}
