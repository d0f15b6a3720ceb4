//! The end of a worker, as a value that an event loop can wait for.

use crate::error::{Error, Result};
use crate::status::ExitStatus;
use crate::sys::pidfd::Life;
use crate::watch::{self, Watch};
use crate::worker::Lifeline;
use rustix::event::epoll::EventFlags;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};

/// The end of a worker: made by [`Worker::exited`](crate::Worker::exited).
///
/// Call [`try_finish`](Exited::try_finish); while it returns `None`, wait until the descriptor ([`AsFd`]) is readable and call it again. Works
/// with level-triggered and edge-triggered loops. Dropping it changes nothing for the worker.
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
    /// Made when the descriptor is first asked for.
    watch: OnceLock<Option<Watch>>,
}

impl Exited {
    pub(crate) fn new(life: Arc<Lifeline>) -> Self {
        Exited { life, watch: OnceLock::new() }
    }

    /// The exit status, if the worker has ended. Never blocks. After the status was returned it is returned again.
    ///
    /// # Errors
    /// As [`Worker::wait`](crate::Worker::wait).
    pub fn try_finish(&mut self) -> Result<Option<ExitStatus>> {
        if let Some(Some(watch)) = self.watch.get() {
            watch.take_tick();
        }
        let status = self.life.check()?;
        if status.is_none()
            && let Some(Some(watch)) = self.watch.get()
        {
            adjust(watch, &self.life).map_err(|error| Error::system("wait", error))?;
        }
        Ok(status)
    }

    /// Waits for the end. Blocks without a limit.
    ///
    /// # Errors
    /// As [`Worker::wait`](crate::Worker::wait).
    pub fn wait(self) -> Result<ExitStatus> {
        self.life.wait_for_ever()
    }
}

impl AsFd for Exited {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let watch = self.watch.get_or_init(|| watch_over(&self.life).ok());
        // Without descriptors to spare: always readable, so that the loop asks, and goes on asking.
        match watch {
            Some(watch) => watch.as_fd(),
            None => watch::always_ready(),
        }
    }
}

/// Readable when the status may be there: at the hang-up of the pidfd, or when the template is gone.
fn watch_over(life: &Lifeline) -> io::Result<Watch> {
    let watch = Watch::new()?;
    match (life.pidfd(), life.line()) {
        (Some(pidfd), Some(line)) if life.hangs_up_with_status() => {
            watch.add(pidfd, EventFlags::empty())?;
            watch.add(line, EventFlags::RDHUP)?;
        }
        (Some(pidfd), _) => watch.add(pidfd, EventFlags::IN)?,
        (None, _) => watch.start_ticking()?,
    }
    Ok(watch)
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
            watch.start_ticking()?;
        }
    }
    Ok(())
}
