//! One descriptor that becomes readable when any of several things happens: epoll(7) and a timerfd.

use crate::error::{Error, Result};
use crate::maker::Maker;
use crate::sys::stdio::above_stdio;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often something is tried again that gives no sign of its own.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The same, where a sign does come as a rule.
pub(crate) const SLOW_TICK: Duration = Duration::from_millis(100);

/// Readable while one of the descriptors in it is ready, or its time has come.
#[derive(Debug)]
pub(crate) struct Watch {
    epoll: OwnedFd,
    timer: Mutex<Timer>,
    /// What it is always readable by. Its own: the kernel lets a file be in some hundred epoll sets only, if those are in others.
    ready: OnceLock<OwnedFd>,
}

/// Made when it is first needed.
#[derive(Debug, Default)]
struct Timer {
    fd: Option<OwnedFd>,
    times: Times,
}

/// When it goes off.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Times {
    deadline: Option<Instant>,
    ticks: Option<Duration>,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = above_stdio(epoll::create(CreateFlags::CLOEXEC)?);
        Ok(Watch { epoll, timer: Mutex::default(), ready: OnceLock::new() })
    }

    /// Watches a descriptor. With no flags, for its hang-up alone, which epoll always reports.
    pub(crate) fn add(&self, fd: impl AsFd, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(0), flags)?)
    }

    /// Tells once more, also those who are told of changes only, that a descriptor is readable, if it is.
    pub(crate) fn tell_again(&self, fd: impl AsFd) -> io::Result<()> {
        // The kernel tells nothing of a change to what it still counts as ready, as nobody has asked this set in between.
        self.remove(&fd);
        self.add(fd, EventFlags::IN)
    }

    /// Watches a descriptor that is in it for something else.
    pub(crate) fn change(&self, fd: impl AsFd, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(0), flags)?)
    }

    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Readable from now on. An error if there are no descriptors left for that, and the timer is not there already.
    pub(crate) fn make_ready(&self) -> io::Result<()> {
        if self.ready.get().is_some() {
            return Ok(());
        }
        let Ok(new) = always_ready() else { return self.set_deadline(Some(Instant::now())) };
        self.add(&new, EventFlags::IN)?;
        let _ = self.ready.set(new);
        Ok(())
    }

    /// Readable from that moment on.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_times(|times| times.deadline = deadline)
    }

    pub(crate) fn has_deadline(&self) -> bool {
        self.timer().times.deadline.is_some()
    }

    /// Readable so often from now on, beside all else.
    pub(crate) fn set_ticking(&self, ticks: Option<Duration>) -> io::Result<()> {
        self.set_times(|times| times.ticks = ticks)
    }

    fn set_times(&self, set: impl FnOnce(&mut Times)) -> io::Result<()> {
        let mut timer = self.timer();
        let mut times = timer.times;
        set(&mut times);
        if times != timer.times {
            self.arm(&mut timer, times)?;
            // Only what is armed counts: what failed is tried again.
            timer.times = times;
        }
        Ok(())
    }

    fn arm(&self, timer: &mut Timer, times: Times) -> io::Result<()> {
        let fd = match &timer.fd {
            Some(fd) => fd,
            None => {
                let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
                let fd = above_stdio(rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?);
                self.add(&fd, EventFlags::IN)?;
                timer.fd.insert(fd)
            }
        };
        let never = Duration::ZERO;
        let (first, then) = match (times.ticks, times.deadline) {
            (Some(tick), _) => (tick, tick),
            // Zero would be never.
            (None, Some(deadline)) => {
                (deadline.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1)), never)
            }
            (None, None) => (never, never),
        };
        let times = Itimerspec { it_interval: timespec(then), it_value: timespec(first) };
        rustix::time::timerfd_settime(fd, TimerfdTimerFlags::empty(), &times)?;
        Ok(())
    }

    /// Takes the tick that made this readable, if one did.
    pub(crate) fn take_tick(&self) {
        let timer = self.timer();
        if let (Some(_), Some(fd)) = (timer.times.ticks, &timer.fd) {
            let _ = rustix::io::read(fd, &mut [0; 8]);
        }
    }

    fn timer(&self) -> MutexGuard<'_, Timer> {
        self.timer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// The watch of a value that can be waited for: made when somebody first wants its descriptor, and the same until the value is gone.
#[derive(Debug, Default)]
pub(crate) struct Lookout(OnceLock<Option<Arc<Watch>>>);

impl Lookout {
    /// The watch, made with `make` if there is none. An error only if there are no descriptors left for it.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> io::Result<Arc<Watch>>) -> Result<&Arc<Watch>> {
        let mut why = None;
        let watch = self.0.get_or_init(|| make().map_err(|error| why = Some(error)).ok());
        let why = || why.unwrap_or_else(|| Errno::MFILE.into());
        watch.as_ref().ok_or_else(|| Error::system("make a descriptor to wait with", why()))
    }

    /// The watch, if somebody has asked for it.
    pub(crate) fn get(&self) -> Option<&Arc<Watch>> {
        self.0.get()?.as_ref()
    }
}

impl From<Arc<Watch>> for Lookout {
    fn from(watch: Arc<Watch>) -> Self {
        Lookout(OnceLock::from(Some(watch)))
    }
}

/// What `as_fd` returns when there are no descriptors left to make one: readable always, so that the loop asks.
pub(crate) fn last_resort() -> BorrowedFd<'static> {
    static READY: Mutex<Option<(Maker, &OwnedFd)>> = Mutex::new(None);
    let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
    let this = Maker::this();
    // In a fork of the program that made it, it may have been closed.
    if ready.is_none_or(|(maker, _)| maker != this) {
        *ready = always_ready().ok().map(|fd| (this, &*Box::leak(Box::new(fd))));
    }
    match *ready {
        Some((_, ready)) => ready.as_fd(),
        // Some descriptor must be returned, and this one outlives everything.
        None => rustix::stdio::stderr(),
    }
}

fn always_ready() -> io::Result<OwnedFd> {
    Ok(above_stdio(rustix::event::eventfd(1, rustix::event::EventfdFlags::CLOEXEC)?))
}

/// Sleeps until `fd` shows one of `flags` (or a hang-up), at most until `until`.
pub(crate) fn sleep(fds: &[(BorrowedFd<'_>, PollFlags)], until: Option<Instant>) -> io::Result<()> {
    let mut polls: Vec<PollFd<'_>> = fds.iter().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
    let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
    match rustix::event::poll(&mut polls, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn timespec(duration: Duration) -> Timespec {
    let secs = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: secs, tv_nsec: duration.subsec_nanos() as _ }
}
