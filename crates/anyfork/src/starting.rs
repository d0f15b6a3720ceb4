//! A process that is being started, as a value that can be polled, waited for, and given up.

use crate::channel::{Filled, Inbox, Outbox};
use crate::child::{Child, Parts};
use crate::error::{Error, ErrorKind, Result};
use crate::line::{self, Fate, Identity, Line, Sent};
use crate::maker::Maker;
use crate::process::DEFAULT_DEADLINE;
use crate::sys::pidfd;
use crate::sys::socket::{self, Blocking};
use crate::template::Template;
use crate::watch::{self, TICK, Watch};
use crate::wire::{Reply, Role};
use crate::worker::{Lifeline, Worker};
use rustix::event::PollFlags;
use rustix::event::epoll::EventFlags;
use rustix::process::Signal;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A process that is being started: made by [`Process::start`](crate::Process::start) (`T` is a [`Worker`]),
/// [`Process::start_template`](crate::Process::start_template) (a [`Template`]) and [`Command::start`](crate::Command::start) (a [`Child`]).
///
/// Call [`try_finish`](Starting::try_finish); while it returns `None`, wait until the descriptor ([`AsFd`]) is readable, or the
/// [`deadline`](Starting::deadline) has come, and call it again.
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
pub struct Starting<T: Started> {
    /// `None` once there is a result.
    state: Option<Result<Launched>>,
    /// What belongs to the result and is here already.
    parts: T::Parts,
    options: Options,
    deadline: Instant,
    /// What is being started, for messages.
    what: String,
    result: PhantomData<fn() -> T>,
}

/// What the caller wants of the process and its handle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) deadline: Duration,
    pub(crate) kill_on_drop: bool,
    pub(crate) blocking_socket: bool,
    /// What the process is when it has been prepared.
    pub(crate) role: Role,
}

impl Options {
    /// What holds if the caller says nothing.
    pub(crate) fn new(role: Role) -> Self {
        Options { deadline: DEFAULT_DEADLINE, kill_on_drop: false, blocking_socket: false, role }
    }
}

/// What a start can come to: a worker, a template or an external program.
pub trait Started: Sized + sealed::FromReply {}

impl Started for Worker {}
impl Started for Template {}
impl Started for Child {}

pub(crate) mod sealed {
    use super::*;

    pub trait FromReply: Sized {
        #[doc(hidden)]
        type Parts: std::fmt::Debug + Default;

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
    }
}
use sealed::Ready;

impl sealed::FromReply for Worker {
    type Parts = ();

    fn from_reply(ready: Ready, (): ()) -> Result<Self> {
        let Ready { pid, pidfd, socket, line, options, .. } = ready;
        let socket = UnixStream::from(socket);
        if !options.blocking_socket {
            socket.set_nonblocking(true).map_err(|error| Error::system("make the socket non-blocking", error))?;
        }
        Ok(Worker::new(Lifeline::new(pid, pidfd, line), socket, options.kill_on_drop))
    }
}

impl sealed::FromReply for Child {
    type Parts = Parts;

    fn from_reply(ready: Ready, parts: Parts) -> Result<Self> {
        let Ready { pid, pidfd, line, options, .. } = ready;
        Ok(Child::new(Lifeline::new(pid, pidfd, line), parts, options.kill_on_drop))
    }
}

impl sealed::FromReply for Template {
    type Parts = ();

    fn from_reply(ready: Ready, (): ()) -> Result<Self> {
        let Ready { pid, pidfd, socket, line, is_child, .. } = ready;
        if let Some((line, id)) = line {
            // Its end is seen on its own socket; the template above it has to know that it must end with the owner.
            line.mark(id, Role::Template);
            line.forget(id);
        }
        Ok(Template::new(Line::new(socket, Some(Identity { pid, pidfd }), is_child)))
    }
}

/// A process that has been ordered, and the client's end of its socket.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) socket: OwnedFd,
    pub(crate) inbox: Inbox,
    /// Orders that could not be sent yet.
    pub(crate) orders: Outbox,
    /// Who forks it, and its id there. `None` for a process that another program ordered.
    pub(crate) line: Option<(Arc<Line>, u64)>,
    pub(crate) fork: Sent,
    /// Whether it was ordered as a process that will be prepared, which its template must be told when it no longer is.
    pub(crate) prepares: bool,
    /// Whether *started* counts only when the socket has been closed behind it: by the exec.
    pub(crate) confirms_by_end: bool,
    /// What such a process has said.
    announced: Answer,
    maker: Maker,
    /// Whether it is a child of this process, which then has to wait for it.
    pub(crate) is_child: bool,
    watch: Option<Arc<Watch>>,
}

impl Launched {
    /// The same, forked by this line's template.
    pub(crate) fn by(self, line: Arc<Line>, id: u64, fork: Sent) -> Self {
        Launched { line: Some((line, id)), fork, ..self }
    }

    /// A process that is there already, at the other end of the socket.
    pub(crate) fn elsewhere(socket: OwnedFd) -> Self {
        Launched {
            socket,
            inbox: Inbox::default(),
            orders: Outbox::default(),
            line: None,
            fork: Sent::Yes,
            prepares: false,
            confirms_by_end: false,
            announced: None,
            maker: Maker::this(),
            is_child: false,
            watch: None,
        }
    }

    /// Sends what could not be sent yet. Says whether all has been sent.
    pub(crate) fn push_on(&mut self) -> Result<bool> {
        self.maker.check("start")?;
        if let Some(watch) = &self.watch {
            watch.take_tick();
        }
        if let (Sent::Queued, Some((line, id))) = (self.fork, &self.line) {
            self.fork = line.retry(*id)?;
        }
        match self.orders.flush(&self.socket, Blocking::No) {
            Ok(()) => {}
            Err(error) if line::is_passing(&error) => {}
            // It has failed already, and said why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.orders = Outbox::default(),
            Err(error) => return Err(Error::system("send orders", error)),
        }
        let all = self.fork == Sent::Yes && self.orders.is_empty();
        if let (true, Some(watch)) = (all, &self.watch) {
            watch.stop_ticking();
        }
        Ok(all)
    }

    /// Makes the watch that wakes an event loop to try again.
    fn watch_until_sent(&mut self) -> io::Result<()> {
        let watch = Arc::new(Watch::new()?);
        watch.add(&self.socket, EventFlags::IN)?;
        match (self.fork, &self.line) {
            (Sent::Queued, Some((line, id))) => line.wake_by(*id, &watch),
            _ => watch.start_ticking()?,
        }
        self.watch = Some(watch);
        Ok(())
    }

    /// Blocks until all orders have been sent.
    pub(crate) fn push_all(&mut self, until: Instant, what: &str) -> Result<()> {
        while !self.push_on()? {
            if until <= Instant::now() {
                return Err(passed(what));
            }
            let _ = watch::sleep(&[], Some(until.min(Instant::now() + TICK)));
        }
        Ok(())
    }

    /// Makes sure that the process never enters its entry, and is gone soon. Never blocks.
    pub(crate) fn give_up(&mut self) {
        if self.maker.is_foreign() {
            return;
        }
        let taken_back = match (&self.line, self.fork) {
            (Some((line, id)), Sent::Queued) => line.take_back(*id),
            _ => false,
        };
        // From here on no "started" can arrive: the process sees that and ends. One that has arrived is too late.
        socket::shut(&self.socket);
        let _ = self.inbox.fill_reply(&self.socket, Blocking::No);
        let message = self.inbox.next().ok().flatten();
        let said = message.as_ref().and_then(|message| message.descriptors.first());
        let announced = self.announced.as_ref().and_then(|(_, pidfd)| pidfd.as_ref());
        for pidfd in said.into_iter().chain(announced) {
            let _ = pidfd::signal(pidfd, Signal::KILL);
        }
        if let Some((line, id)) = &self.line {
            // It may be busy with its preparation and see nothing.
            if !taken_back {
                let _ = line.signal(*id, Signal::KILL.as_raw());
            }
            line.forget(*id);
        }
    }
}

impl<T: Started> Starting<T> {
    pub(crate) fn new(launched: Result<Launched>, parts: T::Parts, options: Options, what: String) -> Self {
        let launched = launched.and_then(|mut launched| {
            if !launched.push_on()? {
                launched.watch_until_sent().map_err(|error| Error::system("watch the start", error))?;
            }
            Ok(launched)
        });
        let now = Instant::now();
        let deadline = now.checked_add(options.deadline).unwrap_or(now + Duration::from_secs(u32::MAX.into()));
        Starting { state: Some(launched), parts, options, deadline, what, result: PhantomData }
    }

    /// When the start fails if it has not finished: event loops set a timer for it. [`wait`](Starting::wait) keeps it by itself.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The worker or template, if it is ready. Never blocks, except that it waits up to 20 ms for the reason when the process
    /// has ended without a word.
    ///
    /// # Errors
    /// What went wrong, here, in the template or in the new process; every [`ErrorKind`] but `Lost` is possible. The process is gone
    /// then. After a result (or an error) was returned, `InvalidInput`.
    pub fn try_finish(&mut self) -> Result<Option<T>> {
        let launched = match &mut self.state {
            Some(Ok(launched)) => launched,
            Some(Err(_)) => {
                let Some(Err(error)) = self.state.take() else { return Ok(None) };
                return Err(error);
            }
            None => return Err(Error::new(ErrorKind::InvalidInput, self.what.clone(), "it has finished before")),
        };
        let answer = match take_answer(launched, &self.what) {
            Ok(None) if self.deadline <= Instant::now() => Err(passed(&self.what)),
            answer => answer,
        };
        match answer {
            Ok(None) => Ok(None),
            Ok(Some((pid, pidfd))) => {
                let Some(Ok(launched)) = self.state.take() else { return Ok(None) };
                self.finish(launched, pid, pidfd).map(Some)
            }
            Err(error) => {
                launched.give_up();
                self.state = None;
                Err(error)
            }
        }
    }

    fn finish(&mut self, launched: Launched, pid: u32, pidfd: Option<OwnedFd>) -> Result<T> {
        let Launched { socket, line, prepares, is_child, .. } = launched;
        if let (true, Some((line, id))) = (prepares, &line) {
            line.mark(*id, self.options.role);
        }
        let parts = std::mem::take(&mut self.parts);
        T::from_reply(Ready { pid, pidfd, socket, line, is_child, options: self.options }, parts)
    }

    /// Waits until the process is ready. Blocks, until the deadline at the longest.
    ///
    /// # Errors
    /// As [`try_finish`](Starting::try_finish).
    pub fn wait(mut self) -> Result<T> {
        loop {
            // First, as no process has answered at once.
            if let Some(Ok(launched)) = &self.state {
                let tick = launched.watch.is_some().then(|| Instant::now() + TICK);
                let until = tick.map_or(self.deadline, |tick| tick.min(self.deadline));
                // One wake-up, not two, if more than the reply is waited for.
                let event = if launched.confirms_by_end { PollFlags::RDHUP } else { PollFlags::IN };
                watch::sleep(&[(launched.socket.as_fd(), event)], Some(until))
                    .map_err(|error| Error::system("wait for the start", error))?;
            }
            if let Some(result) = self.try_finish()? {
                return Ok(result);
            }
        }
    }
}

/// Readable when [`try_finish`](Starting::try_finish) has something to do.
impl<T: Started> AsFd for Starting<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.state {
            Some(Ok(Launched { watch: Some(watch), .. })) => watch.as_fd(),
            Some(Ok(launched)) => launched.socket.as_fd(),
            _ => watch::always_ready(),
        }
    }
}

impl<T: Started> Drop for Starting<T> {
    fn drop(&mut self) {
        if let Some(Ok(launched)) = &mut self.state {
            launched.give_up();
        }
    }
}

/// A process's number and pidfd.
type Answer = Option<(u32, Option<OwnedFd>)>;

/// The process's one reply, if it has come.
fn take_answer(launched: &mut Launched, what: &str) -> Result<Answer> {
    launched.push_on()?;
    loop {
        let message = launched.inbox.next().map_err(|malformed| Error::malformed(what.to_owned(), malformed))?;
        if let Some(mut message) = message {
            if message.lost_descriptors {
                let error = io::Error::from(rustix::io::Errno::MFILE);
                return Err(Error::system("receive the reply", error));
            }
            let reply =
                Reply::parse(message.frame.get()).map_err(|malformed| Error::malformed(what.to_owned(), malformed))?;
            return match reply {
                // A template that is taken up may have said that to its earlier owner.
                Reply::Exited(_) | Reply::NotForked { .. } if launched.line.is_none() => continue,
                Reply::Started { pid } if launched.confirms_by_end => {
                    launched.announced = Some((pid, message.descriptors.pop()));
                    continue;
                }
                Reply::Started { pid } | Reply::Ready { pid } => Ok(Some((pid, message.descriptors.pop()))),
                Reply::Failed(failure) => Err(Error::reported(failure)),
                _ => Err(Error::new(ErrorKind::Protocol, what.to_owned(), "a reply that belongs to a template")),
            };
        }
        match launched.inbox.fill_reply(&launched.socket, Blocking::No) {
            Ok(Filled::Some) => {}
            Ok(Filled::Nothing) => return Ok(None),
            Ok(Filled::End) => {
                return launched.announced.take().map(Some).ok_or_else(|| why_it_ended(launched, what));
            }
            Err(error) => return Err(Error::system("receive the reply", error)),
        }
    }
}

/// How long it may take until the template has told how a process ended that never answered. It is under way by then.
const LAST_WORD: Duration = Duration::from_millis(20);

/// The socket is closed without a reply: by the end of the process, or of its template.
fn why_it_ended(launched: &Launched, what: &str) -> Error {
    let error = |kind, message: String| Error::new(kind, what.to_owned(), message);
    let Some((line, id)) = &launched.line else {
        return error(ErrorKind::ProcessGone, "the process ended before it was ready".into());
    };
    let until = Instant::now() + LAST_WORD;
    line.collect();
    while line.fate(*id) == Fate::Running && !line.is_closed() && Instant::now() < until {
        let _ = watch::sleep(&[(line.as_fd(), PollFlags::IN)], Some(until));
        line.collect();
    }
    match line.fate(*id) {
        Fate::NotForked(errno) => {
            Error::system("receive descriptors in the template", io::Error::from_raw_os_error(errno))
        }
        Fate::Ended(status) => {
            error(ErrorKind::ProcessGone, format!("the process ended before it was ready: {status}"))
        }
        Fate::Running if line.is_closed() => {
            line.take_failure().unwrap_or_else(|| error(ErrorKind::TemplateGone, "the template is gone".into()))
        }
        Fate::Running => error(ErrorKind::ProcessGone, "the process ended before it was ready".into()),
    }
}

fn passed(what: &str) -> Error {
    Error::new(ErrorKind::Deadline, what.to_owned(), "the deadline passed; the process was given up and will not start")
}
