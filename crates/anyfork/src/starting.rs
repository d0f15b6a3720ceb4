//! A process that is being started, as a value that can be polled, waited for, and given up.

use crate::child::{Child, Parts};
use crate::error::{Error, ErrorKind, Result};
use crate::launched::Launched;
use crate::line::{Identity, Line};
use crate::mutant::{self, Mutant};
use crate::options::Options;
use crate::origin::Source;
use crate::recipe::Recipe;
use crate::restartable::{Restartable, Tenure};
use crate::rt::{Awaited, Link};
use crate::served::Server;
use crate::template::Template;
use crate::trace;
use crate::watch::{self, Lookout, Watch};
use crate::wire::Role;
use crate::worker::{Lifeline, Worker};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A process that is being started: made by [`Process::start`](crate::Process::start) (`T` is a [`Worker`]),
/// [`Process::start_template`](crate::Process::start_template) (a [`Template`]) and [`Command::start`](crate::Command::start) (a [`Child`]).
///
/// **Await** it (features `tokio`, `smol`), or [wait](Starting::wait) for it, or bring it into any other event loop: call [`try_finish`](Starting::try_finish); while
/// it returns `None`, wait until the descriptor ([`AsFd`]) is readable, and call it again. See [`Pending`](crate::Pending). The start is under way without that, too, unless its template's socket was full:
/// then it goes on when any value of that template is asked.
///
/// **Dropping** it before it has finished gives the start up: the process never enters its entry, or is killed
/// if it just has. Nothing blocks.
///
/// ```
/// #[anyfork::entry]
/// fn idle() {}
///
/// # fn main() -> anyfork::Result<()> {
/// let mut starting = anyfork::Process::new().start(idle);
/// let worker = loop {
///     if let Some(worker) = starting.try_finish()? {
///         break worker;
///     }
///     let mut poll = [rustix::event::PollFd::new(&starting, rustix::event::PollFlags::IN)];
///     rustix::event::poll(&mut poll, None).unwrap();
/// };
/// assert!(worker.wait()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it gives the start up"]
pub struct Starting<T: Started> {
    /// `None` once there is a result.
    state: Option<Result<Box<Launched>>>,
    /// What belongs to the result and is here already.
    parts: T::Parts,
    options: Options,
    deadline: Instant,
    /// What is being started, for messages.
    what: String,
    trace: trace::Start,
    lookout: Lookout,
    link: Link,
    result: PhantomData<fn() -> T>,
}

/// What a start can come to: a worker, a template, an external program; `()` for a template that [is restarted](Template::start_restart).
pub trait Started: Sized + sealed::FromReply {}

impl Started for Worker {}
impl<S: Server> Started for Template<S> {}
impl Started for Child {}

pub(crate) mod sealed {
    use super::*;

    pub trait FromReply: Sized {
        #[doc(hidden)]
        type Parts: std::fmt::Debug + Default + Unpin;

        #[doc(hidden)]
        fn from_reply(ready: Ready, parts: Self::Parts) -> Result<Self>;
    }

    /// A process that has said that it is ready.
    #[derive(Debug)]
    pub struct Ready {
        pub(crate) pid: u32,
        pub(crate) pidfd: Option<OwnedFd>,
        pub(crate) socket: OwnedFd,
        pub(crate) line: Option<(Arc<Line>, u64)>,
        pub(crate) is_child: bool,
        pub(crate) options: Options,
        pub(crate) trace: trace::Life,
    }
}
use sealed::Ready;

impl sealed::FromReply for Worker {
    type Parts = ();

    fn from_reply(ready: Ready, (): ()) -> Result<Self> {
        let Ready { pid, pidfd, socket, line, options, trace, .. } = ready;
        let socket = UnixStream::from(socket);
        if !options.blocking_socket {
            socket.set_nonblocking(true).map_err(|error| Error::system("make the socket non-blocking", error))?;
        }
        Ok(Worker::new(Lifeline::new(pid, pidfd, line, trace), socket, options.kill_on_drop))
    }
}

impl sealed::FromReply for Child {
    type Parts = Parts;

    fn from_reply(ready: Ready, parts: Parts) -> Result<Self> {
        let Ready { pid, pidfd, line, options, trace, .. } = ready;
        Ok(Child::new(Lifeline::new(pid, pidfd, line, trace), parts, options.kill_on_drop))
    }
}

impl<S: Server> sealed::FromReply for Template<S> {
    type Parts = Option<Box<Recipe>>;

    fn from_reply(ready: Ready, recipe: Option<Box<Recipe>>) -> Result<Self> {
        if let Some(recipe) = recipe {
            let tenure = Tenure::from_reply(ready, S::DIALECT)?;
            return Ok(Template::of(Source::Restartable(Arc::new(Restartable::new(*recipe, tenure)))));
        }
        let Ready { pid, pidfd, socket, line, is_child, .. } = ready;
        if let Some((line, id)) = line {
            // Its end is seen on its own socket; the template above it has to know that it must end with the owner.
            line.mark(id, Role::Template);
            line.forget(id);
        }
        let identity = Identity { pid, pidfd: pidfd.map(Arc::new) };
        Ok(Template::of(Source::Single(Arc::new(Line::new(socket, S::DIALECT, Some(identity), is_child)))))
    }
}

impl<T: Started> Starting<T> {
    pub(crate) fn new(launched: Result<Launched>, parts: T::Parts, options: Options, what: String) -> Self {
        let launched = launched.and_then(|mut launched| {
            launched.push_on().inspect_err(|_| launched.give_up())?;
            Ok(Box::new(launched))
        });
        let waited = launched.as_ref().map_or(Duration::ZERO, |launched| launched.waited);
        let deadline = options.deadline_from_now(waited);
        let (trace, (lookout, link)) = (trace::Start::new(&what), Default::default());
        Starting { state: Some(launched), parts, options, deadline, what, trace, lookout, link, result: PhantomData }
    }

    /// A start that failed before it began.
    pub(crate) fn failed(error: Error, options: Options, what: String) -> Self {
        Self::new(Err(error), T::Parts::default(), options, what)
    }

    /// When the start fails if it has not finished. The descriptor becomes readable then, and [`wait`](Starting::wait) and `.await` keep it too:
    /// nobody has to set a timer.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The worker or template, if it is ready. Never blocks.
    ///
    /// # Errors
    /// What went wrong, here, in the template or in the new process; every [`ErrorKind`] but `Lost` is possible. The process is gone
    /// then. After a result (or an error) was returned, `InvalidInput`.
    pub fn try_finish(&mut self) -> Result<Option<T>> {
        if let Some(Ok(launched)) = &self.state {
            // In a fork of the program the descriptors are those of the program, and stay as they are.
            launched.check_maker()?;
        }
        if let Some(watch) = self.lookout.get() {
            watch.take_tick();
        }
        let launched = match &mut self.state {
            Some(Ok(launched)) => launched,
            Some(Err(_)) => {
                let Some(Err(error)) = self.state.take() else { return Ok(None) };
                self.trace.failed(&error);
                return Err(error);
            }
            None => return Err(Error::new(ErrorKind::InvalidInput, self.what.clone(), "it has finished before")),
        };
        let answer = match launched.take_answer(&self.what) {
            Ok(None) if self.deadline <= Instant::now() => Err(passed(&self.what)),
            Ok(None) => match look_on(&self.lookout, launched, self.deadline) {
                Ok(()) => return Ok(None),
                Err(error) => Err(Error::system("wait for the start", error)),
            },
            answer => answer,
        };
        if let Some(watch) = self.lookout.get() {
            launched.hide(watch);
            let _ = watch.set_deadline(None);
            let _ = watch.set_ticking(None);
        }
        match answer {
            Ok(Some((pid, pidfd))) => {
                let Some(Ok(launched)) = self.state.take() else { return Ok(None) };
                self.finish(launched, pid, pidfd)
            }
            Ok(None) => Ok(None),
            Err(error) => {
                launched.give_up();
                self.state = None;
                self.trace.failed(&error);
                Err(error)
            }
        }
    }

    fn finish(&mut self, mut launched: Box<Launched>, pid: u32, pidfd: Option<OwnedFd>) -> Result<Option<T>> {
        mutant::leak(Mutant::Leak);
        let line = launched.line.take();
        if let (true, Some((line, id))) = (launched.prepares, &line) {
            line.mark(*id, self.options.role);
        }
        let is_child = launched.is_child;
        let Some(socket) = launched.into_socket() else { return Ok(None) };
        let parts = std::mem::take(&mut self.parts);
        let trace = self.trace.ready(pid);
        let line = line.filter(|(line, id)| {
            if !line.reports() {
                line.forget(*id);
            }
            line.reports()
        });
        T::from_reply(Ready { pid, pidfd, socket, line, is_child, options: self.options, trace }, parts).map(Some)
    }

    /// Waits until the process is ready. Blocks, until the deadline at the longest.
    ///
    /// # Errors
    /// As [`try_finish`](Starting::try_finish).
    pub fn wait(mut self) -> Result<T> {
        if let Some(Ok(launched)) = &self.state {
            // While this one is waited for, the template can do what others have asked for.
            launched.line.iter().for_each(|(line, _)| line.send_waiting());
            // It may have been sent for others before, and even answered.
            if launched.is_queued()
                && let Some(result) = self.try_finish()?
            {
                return Ok(result);
            }
        }
        loop {
            // First, as no process that has just been ordered has answered yet.
            self.sleep(self.deadline).map_err(|error| Error::system("wait for the start", error))?;
            if let Some(result) = self.try_finish()? {
                return Ok(result);
            }
        }
    }

    /// Waits until the process is ready, but not longer than that. `None`: it is not ready yet, and may be asked again.
    pub(crate) fn wait_until(&mut self, until: Instant) -> Result<Option<T>> {
        loop {
            if let Some(result) = self.try_finish()? {
                return Ok(Some(result));
            }
            if until <= Instant::now() {
                return Ok(None);
            }
            self.sleep(self.deadline.min(until)).map_err(|error| Error::system("wait for the start", error))?;
        }
    }

    /// Sleeps until there is something to do, at most until then.
    pub(crate) fn sleep(&self, until: Instant) -> io::Result<()> {
        match &self.state {
            Some(Ok(launched)) => launched.sleep(until),
            _ => Ok(()),
        }
    }

    /// What is readable when there is something to do, but for the deadline.
    pub(crate) fn watch(&self) -> Result<&Arc<Watch>> {
        self.lookout.get_or_make(|| self.show(Watch::new()?))
    }

    /// The same, readable at the deadline, too.
    pub(crate) fn watch_with_deadline(&self) -> Result<&Arc<Watch>> {
        if let Some(Ok(launched)) = &self.state {
            launched.check_maker()?;
        }
        let watch = self.lookout.get_or_make(|| {
            let watch = Watch::new()?;
            // First: what cannot tell of the deadline is not seen by anybody, nor kept in the queue.
            self.show_deadline(&watch)?;
            self.show(watch)
        })?;
        let shown = self.show_deadline(watch).map(|()| watch);
        shown.map_err(|error| Error::system("make a descriptor to wait with", error))
    }

    fn show(&self, watch: Watch) -> io::Result<Arc<Watch>> {
        let watch = Arc::new(watch);
        match &self.state {
            Some(Ok(launched)) => launched.show(&watch)?,
            _ => watch.make_ready()?,
        }
        Ok(watch)
    }

    fn show_deadline(&self, watch: &Watch) -> io::Result<()> {
        let Some(Ok(launched)) = &self.state else { return Ok(()) };
        watch.set_deadline(Some(launched.next_question(self.deadline))).or_else(|_| watch.make_ready())
    }
}

/// Readable when [`try_finish`](Starting::try_finish) has something to do, also because the deadline has come. One descriptor, the same until the value is
/// dropped, made when it is first asked for. When this process has no more descriptors, it is one that may be readable too often.
impl<T: Started> AsFd for Starting<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch_with_deadline().map_or_else(|_| watch::last_resort(), |watch| watch.as_fd())
    }
}

impl<T: Started> Awaited for Starting<T> {
    fn watch(&self) -> Result<&Arc<Watch>> {
        Starting::watch(self)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            Some(Ok(launched)) => Some(launched.next_question(self.deadline)),
            _ => Some(self.deadline),
        }
    }

    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl<T: Started> Drop for Starting<T> {
    fn drop(&mut self) {
        if let Some(Ok(launched)) = &mut self.state
            && !mutant::strikes(Mutant::GiveUp)
        {
            launched.give_up();
        }
    }
}

/// So long from now, or as good as never.
pub(crate) fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now + Duration::from_secs(u32::MAX.into()))
}

/// There was no answer: what to wait for now.
fn look_on(lookout: &Lookout, launched: &Launched, deadline: Instant) -> io::Result<()> {
    let Some(watch) = lookout.get() else { return Ok(()) };
    launched.adjust(watch)?;
    if watch.has_deadline() {
        watch.set_deadline(Some(launched.next_question(deadline)))?;
    }
    Ok(())
}

fn passed(what: &str) -> Error {
    Error::new(ErrorKind::Deadline, what.to_owned(), "the deadline passed; the process was given up and will not start")
}
