//! A program that runs to its end, as a value that can be polled, waited for, and given up.

use crate::child::{Child, Output};
use crate::error::{Error, ErrorKind, Result};
use crate::exited::Exited;
use crate::options::Options;
use crate::pump::{Pump, Pumped};
use crate::rt::{Awaited, Link};
use crate::starting::Starting;
use crate::status::ExitStatus;
use crate::watch::{self, Lookout, TICK, Watch};
use crate::wire::Role;
use rustix::event::epoll::EventFlags;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

/// A program on its way to its end: made by [`Command::start_status`](crate::Command::start_status) (`T` is an [`ExitStatus`]),
/// [`Command::start_output`](crate::Command::start_output) and [`Child::into_output`] (an [`Output`]).
///
/// It goes on as long as somebody calls [`try_finish`](Ending::try_finish) when the descriptor ([`AsFd`]) is readable, awaits it (features `tokio`, `smol`), or
/// [waits](Ending::wait). What the program writes is taken in meanwhile.
///
/// **Dropping** it before it has finished kills the program (SIGKILL), as nobody has another handle to it; a start that has not finished is given up. Who wants
/// it to go on starts it with [`Command::start`](crate::Command::start) and has a [`Child`] to [detach](Child::detach).
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// let mut ending = anyfork::Command::new("echo").arg("hello").start_output();
/// let output = loop {
///     if let Some(output) = ending.try_finish()? {
///         break output;
///     }
///     let mut poll = [rustix::event::PollFd::new(&ending, rustix::event::PollFlags::IN)];
///     rustix::event::poll(&mut poll, None).unwrap();
/// };
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it kills the program"]
pub struct Ending<T: Ended> {
    stage: Stage,
    pump: Pump,
    lookout: Lookout,
    link: Link,
    result: PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum Stage {
    Starts(Box<Starting<Child>>),
    /// The pipes are not at their ends.
    Writes(Child),
    /// Only the exit status is missing.
    Ends(Child, Exited),
    Over,
}

/// What can be known of a program at its end: its [`ExitStatus`], or its [`Output`].
pub trait Ended: sealed::FromEnd {}

impl Ended for ExitStatus {}
impl Ended for Output {}

mod sealed {
    use super::*;

    pub trait FromEnd: Sized {
        /// Whether what the program writes belongs to it.
        #[doc(hidden)]
        const READS: bool;

        #[doc(hidden)]
        fn from_end(status: ExitStatus, pump: Pump) -> Self;
    }

    impl FromEnd for ExitStatus {
        const READS: bool = false;

        fn from_end(status: ExitStatus, _: Pump) -> Self {
            status
        }
    }

    impl FromEnd for Output {
        const READS: bool = true;

        fn from_end(status: ExitStatus, pump: Pump) -> Self {
            let (stdout, stderr) = pump.into_output();
            Output { status, stdout, stderr }
        }
    }
}

impl<T: Ended> Ending<T> {
    pub(crate) fn of(starting: Starting<Child>) -> Self {
        Self::new(Stage::Starts(Box::new(starting)), Pump::default())
    }

    fn new(stage: Stage, pump: Pump) -> Self {
        Ending { stage, pump, lookout: Lookout::default(), link: Link::default(), result: PhantomData }
    }

    /// What is known of the program's end, if it has ended. Never blocks.
    ///
    /// # Errors
    /// As [`Starting::try_finish`] and [`Worker::wait`](crate::Worker::wait); [`System`](ErrorKind::System) if reading its output fails. After a result (or an error)
    /// was returned, [`InvalidInput`](ErrorKind::InvalidInput).
    pub fn try_finish(&mut self) -> Result<Option<T>> {
        loop {
            let stage = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Starts(mut starting) => match starting.try_finish()? {
                    None => return Ok(self.stay(Stage::Starts(starting))),
                    Some(child) => self.begin(child)?,
                },
                Stage::Writes(child) if child.is_foreign() => return Err(Error::foreign("wait")),
                Stage::Writes(child) => match self.pump.pump(self.lookout.get()) {
                    Ok(Pumped::All) => self.wait_for_end(child)?,
                    Ok(Pumped::Some) => return Ok(self.stay(Stage::Writes(child))),
                    Err(error) => return Err(Error::system("read the output", error)),
                },
                Stage::Ends(child, mut exited) => match exited.try_finish()? {
                    None => {
                        self.lookout.get().inspect(|watch| watch.take_tick());
                        return Ok(self.stay(Stage::Ends(child, exited)));
                    }
                    Some(status) => {
                        child.detach();
                        return Ok(Some(T::from_end(status, std::mem::take(&mut self.pump))));
                    }
                },
                Stage::Over => return Err(Error::new(ErrorKind::InvalidInput, "wait", "it has finished before")),
            };
            self.stage = stage;
        }
    }

    fn stay(&mut self, stage: Stage) -> Option<T> {
        self.stage = stage;
        None
    }

    /// It runs. Its standard input is closed, as by std, so that it does not wait for more.
    fn begin(&mut self, mut child: Child) -> Result<Stage> {
        if child.is_foreign() {
            return Err(Error::foreign("wait"));
        }
        child.kill_when_dropped();
        drop(child.stdin.take());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let pump = if T::READS { Pump::new(stdout, stderr) } else { Ok(Pump::default()) };
        self.pump = pump.map_err(|error| Error::system("read the output", error))?;
        if let Some(watch) = self.lookout.get() {
            show_pipes(&self.pump, watch).map_err(|error| Error::system("wait for the output", error))?;
        }
        Ok(Stage::Writes(child))
    }

    fn wait_for_end(&mut self, child: Child) -> Result<Stage> {
        let exited = match self.lookout.get() {
            // A program is not given up because there is nothing to see its end with: it is asked for then.
            Some(watch) => match child.exited_seen_by(Arc::clone(watch)) {
                Ok(exited) => exited,
                Err(_) => {
                    watch.set_ticking(Some(TICK)).map_err(|error| Error::system("wait", error))?;
                    child.exited()
                }
            },
            None => child.exited(),
        };
        Ok(Stage::Ends(child, exited))
    }

    /// Waits for the end. Blocks without a limit, but for that of the start.
    ///
    /// # Errors
    /// As [`try_finish`](Ending::try_finish).
    pub fn wait(mut self) -> Result<T> {
        loop {
            if let Some(result) = self.try_finish()? {
                return Ok(result);
            }
            match &self.stage {
                Stage::Starts(starting) => starting.sleep(starting.deadline()),
                Stage::Writes(_) => self.pump.sleep(),
                Stage::Ends(child, _) => child.sleep(),
                Stage::Over => Ok(()),
            }
            .map_err(|error| Error::system("wait", error))?;
        }
    }

    fn watch(&self) -> Result<&Arc<Watch>> {
        self.lookout.get_or_make(|| self.make_watch())
    }

    fn make_watch(&self) -> io::Result<Arc<Watch>> {
        // The start's and the end's are their own: they know what is in them.
        match &self.stage {
            Stage::Starts(starting) => return Ok(Arc::clone(starting.watch()?)),
            Stage::Ends(_, exited) => return Ok(Arc::clone(exited.watch()?)),
            _ => {}
        }
        let watch = Arc::new(Watch::new()?);
        match &self.stage {
            Stage::Writes(_) => show_pipes(&self.pump, &watch)?,
            _ => watch.make_ready()?,
        }
        Ok(watch)
    }
}

fn show_pipes(pump: &Pump, watch: &Watch) -> io::Result<()> {
    pump.pipes().into_iter().flatten().try_for_each(|pipe| watch.add(pipe, EventFlags::IN))
}

impl Ending<Output> {
    /// A program that runs.
    pub(crate) fn of_child(child: Child) -> Self {
        let mut ending = Self::new(Stage::Over, Pump::default());
        ending.stage = match ending.begin(child) {
            Ok(stage) => stage,
            Err(error) => {
                Stage::Starts(Box::new(Starting::failed(error, Options::new(Role::Free), "read the output".into())))
            }
        };
        ending
    }
}

/// Readable when [`try_finish`](Ending::try_finish) has something to do. One descriptor, the same until the value is dropped, made when it is first asked for.
impl<T: Ended> AsFd for Ending<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let tells_of_deadline = match &self.stage {
            // The watch is this one's, too.
            Stage::Starts(starting) => starting.watch_with_deadline().is_ok(),
            _ => true,
        };
        match self.watch() {
            Ok(watch) if tells_of_deadline => watch.as_fd(),
            _ => watch::last_resort(),
        }
    }
}

impl<T: Ended> Awaited for Ending<T> {
    fn watch(&self) -> Result<&Arc<Watch>> {
        Ending::watch(self)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Starts(starting) => Awaited::deadline(&**starting),
            _ => None,
        }
    }

    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}
