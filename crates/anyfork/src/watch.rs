//! One descriptor that becomes readable when any of several things happens: epoll(7) and a timerfd.

use crate::sys::stdio::above_stdio;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often something is tried again that gives no sign of its own.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Readable while one of the descriptors in it is ready.
#[derive(Debug)]
pub(crate) struct Watch {
    epoll: OwnedFd,
    ticks: OnceLock<OwnedFd>,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Watch { epoll: above_stdio(epoll::create(CreateFlags::CLOEXEC)?), ticks: OnceLock::new() })
    }

    /// Watches a descriptor. With no flags, for its hang-up alone, which epoll always reports.
    pub(crate) fn add(&self, fd: impl AsFd, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(0), flags)?)
    }

    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Readable each [`TICK`] from now on.
    pub(crate) fn start_ticking(&self) -> io::Result<()> {
        if self.ticks.get().is_some() {
            return Ok(());
        }
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let timer = above_stdio(timer);
        let tick = rustix::time::Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as _ };
        let times = Itimerspec { it_interval: tick, it_value: tick };
        rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        self.add(&timer, EventFlags::IN)?;
        let _ = self.ticks.set(timer);
        Ok(())
    }

    pub(crate) fn stop_ticking(&self) {
        if let Some(timer) = self.ticks.get() {
            self.remove(timer);
        }
    }

    /// Takes the tick that made this readable, if one did.
    pub(crate) fn take_tick(&self) {
        if let Some(timer) = self.ticks.get() {
            let _ = rustix::io::read(timer, &mut [0; 8]);
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// A descriptor that is always readable: for a value that has its result and needs no waiting.
pub(crate) fn always_ready() -> BorrowedFd<'static> {
    static READY: Mutex<Option<(u32, &OwnedFd)>> = Mutex::new(None);
    let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
    let this = std::process::id();
    // In a fork of the program that made it, it may have been closed.
    if ready.is_none_or(|(maker, _)| maker != this) {
        let new = rustix::event::eventfd(1, rustix::event::EventfdFlags::CLOEXEC);
        *ready = new.ok().map(|fd| (this, &*Box::leak(Box::new(above_stdio(fd)))));
    }
    match *ready {
        Some((_, ready)) => ready.as_fd(),
        // Out of descriptors. Some descriptor must be returned, and this one outlives everything.
        None => rustix::stdio::stderr(),
    }
}

/// Sleeps until `fd` shows one of `flags` (or a hang-up), at most until `until`.
pub(crate) fn sleep(fds: &[(BorrowedFd<'_>, PollFlags)], until: Option<Instant>) -> io::Result<()> {
    let mut polls: Vec<PollFd<'_>> = fds.iter().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
    let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
    let timeout = timeout.map(|left| Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ });
    match rustix::event::poll(&mut polls, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
