//! The client's end of a template's socket: fork orders go out on it, exit reports come in.
//!
//! Nothing here blocks but the wait for the end of a template that is a child, and no thread reads it: whoever wants to know something takes in what has come, for everybody.

mod late;
mod pool;
mod reports;
#[cfg(test)]
mod tests;
mod witness;

use crate::allowed::Allowed;
use crate::channel::{Descriptors, Dialect, Outbox};
use crate::error::{Error, Result};
use crate::handover::Nonce;
use crate::maker::Maker;
use crate::mutant::{Mutant, strikes};
use crate::queue::{Outcome, Place, Queue, Seat};
use crate::request::{Request, SEND};
use crate::status::ExitStatus;
use crate::sys::pidfd::{self, Life};
use crate::sys::socket;
use crate::sys::unread::is_something_unread;
use crate::sys::wait::{self, Which};
use crate::watch::{self, TICK, Watch};
use crate::wire::{Order, Role};
use late::Late;
use rustix::event::PollFlags;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use pool::Spare;
pub(crate) use reports::Fate;
use reports::Incoming;
pub(crate) use witness::Witness;

/// Every so many fork orders the reports are taken in, so that a program that never waits for a worker does not fill the socket.
const COLLECT_EVERY: u64 = 32;

/// How long a template may take to take in what it has been told when its last handle is dropped; if it is a child, from the end of its socket to its own.
const LAST_WAIT: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Line {
    socket: Arc<OwnedFd>,
    dialect: Dialect,
    maker: Maker,
    /// Whether the template is a child of this process, which then has to wait for it.
    is_child: bool,
    template: OnceLock<Identity>,
    /// How it ended, if it was waited for.
    ended: OnceLock<ExitStatus>,
    next_id: AtomicU64,
    /// Another process has it now; this one must not say anything on it any more.
    given_away: AtomicBool,
    /// It has been told to fork no more.
    ending: AtomicBool,
    /// Whether there may be processes that were forked in advance.
    has_pool: AtomicBool,
    /// Held from what is decided of spares until that is sent.
    spares_in_turn: Mutex<()>,
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Queue>,
    witnesses: AtomicUsize,
}

/// Who the template is, once it has said so.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    pub(crate) pidfd: Option<Arc<OwnedFd>>,
}

/// What a template is to make.
#[derive(Debug, Clone, Copy)]
pub(crate) enum New<'a> {
    Fork,
    /// A fresh image of the program.
    Exec(Nonce, Option<&'a Allowed>),
    /// An external program, as [`Order::Spawn`] has it.
    Program(&'a [u8]),
}

impl Line {
    pub(crate) fn new(socket: OwnedFd, dialect: Dialect, identity: Option<Identity>, is_child: bool) -> Self {
        Line {
            socket: Arc::new(socket),
            dialect,
            maker: Maker::this(),
            is_child,
            template: identity.map(OnceLock::from).unwrap_or_default(),
            ended: OnceLock::new(),
            next_id: AtomicU64::new(1),
            given_away: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            has_pool: AtomicBool::new(false),
            spares_in_turn: Mutex::default(),
            incoming: Mutex::default(),
            outgoing: Mutex::default(),
            witnesses: AtomicUsize::new(0),
        }
    }

    pub(crate) fn is_foreign(&self) -> bool {
        self.maker.is_foreign()
    }

    /// Whether the template says how its children have ended.
    pub(crate) fn reports(&self) -> bool {
        self.dialect == Dialect::Frames
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.template.get()
    }

    /// Whether the template was there a moment ago.
    pub(crate) fn is_up(&self) -> bool {
        self.collect();
        !self.has_ended()
    }

    /// Whether the end of the template has been seen, or its line is of no use any more for another reason.
    pub(crate) fn is_closed(&self) -> bool {
        self.incoming().closed
    }

    /// Looks whether the template has ended, if that has not been seen yet: one system call. Its socket alone does not tell: a process that it has just forked may still hold that, and so may
    /// what a preparation has started. By then all that it has said has been taken in.
    pub(crate) fn has_ended(&self) -> bool {
        if self.is_closed() {
            return true;
        }
        let pidfd = self.identity().and_then(|identity| identity.pidfd.as_ref());
        if !pidfd.is_some_and(|pidfd| pidfd::life(pidfd).is_ok_and(|life| life != Life::Runs)) {
            return false;
        }
        self.take_reports();
        self.incoming().closed = true;
        self.outgoing().fail_all();
        self.wait_for_child();
        true
    }

    /// Whether it has ended, and somebody else holds its socket, in which there is something: that is never read, and no sign of that comes. What it has read has its sign: a process that it has forked, which
    /// holds all that it had until it comes to close that, or the end of a socket that nobody has any more.
    pub(crate) fn is_held(&self) -> bool {
        self.has_ended() && !socket::is_abandoned(&self.socket) && is_something_unread(&self.socket).unwrap_or(true)
    }

    /// Orders a new process: `descriptors` go to the template with the order, `orders` are for the process. Returns the id under which its
    /// fate is kept.
    pub(crate) fn fork(
        &self,
        role: Role,
        new: New<'_>,
        descriptors: Descriptors,
        orders: Outbox,
    ) -> Result<(u64, Place)> {
        if self.given_away.load(Ordering::Relaxed) || self.ending.load(Ordering::Relaxed) {
            return Err(self.gone());
        }
        late::go_on();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if id.is_multiple_of(COLLECT_EVERY) {
            self.collect();
        }
        let order = match new {
            New::Fork => Order::Fork { id, role },
            New::Exec(nonce, allowed) => Order::Exec { id, role, nonce, names: allowed.map(Allowed::octets) },
            New::Program(program) => Order::Spawn { id, role, program },
        };
        let request = Request::new(self.dialect, &order, descriptors, orders);
        if !self.expect(id) {
            return Err(self.take_failure().unwrap_or_else(|| self.gone()));
        }
        let sent = self.to_send().and_then(|mut queue| queue.request(request, &self.socket));
        let place = sent.map_err(|error| self.not_sent(error)).and_then(|place| place);
        if place.is_err() {
            self.forget(id);
        }
        Ok((id, place?))
    }

    /// Why an order could not be sent. What the template said before it ended is taken in first.
    fn not_sent(&self, error: io::Error) -> Error {
        if !socket::is_end(&error) {
            return Error::system(SEND, error);
        }
        self.take_reports();
        self.incoming().closed = true;
        self.take_failure().unwrap_or_else(|| self.gone())
    }

    /// Sends a signal to a child through the template, which knows whether its number is still its own.
    pub(crate) fn signal(&self, id: u64, signal: i32) -> io::Result<()> {
        if !self.reports() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.send(&Order::Signal { id, signal: signal as u32 })
    }

    /// Tells the template what a child has become, at the latest before it is to end.
    pub(crate) fn mark(&self, id: u64, role: Role) {
        if self.incoming().pool.became(id, role) {
            return;
        }
        let _ = self.send(&Order::Mark { id, role });
    }

    /// Tells the template to fork no more.
    pub(crate) fn end(&self) {
        self.settle_pool();
        self.ending.store(true, Ordering::Relaxed);
        match self.dialect {
            Dialect::Frames => drop(self.send(&Order::End)),
            // It ends at the end of its orders.
            Dialect::Serve => socket::shut(&self.socket),
        }
    }

    fn send(&self, order: &Order<'_>) -> io::Result<()> {
        let mut message = Outbox::new(self.dialect);
        message.push(order, None);
        self.to_send()?.message(message, &self.socket)
    }

    /// The queue, unless the template is somebody else's: an error as if it were gone.
    fn to_send(&self) -> io::Result<MutexGuard<'_, Queue>> {
        let queue = self.outgoing();
        if self.given_away.load(Ordering::Relaxed) { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(queue) }
    }

    /// Tries again to send what waits. Says what has become of one of those that do.
    pub(crate) fn retry(&self, seat: &Arc<Seat>) -> Result<Outcome> {
        let flushed = self.outgoing().retry(seat, &self.socket);
        match seat.outcome() {
            Outcome::Failed(error) => Err(error),
            Outcome::Broken => Err(self.not_sent(io::ErrorKind::BrokenPipe.into())),
            Outcome::Waiting => flushed.map(|()| Outcome::Waiting).map_err(|error| self.not_sent(error)),
            ordered => Ok(ordered),
        }
    }

    /// Sends what waits, as far as the template takes it now: it has just done something.
    pub(crate) fn send_waiting(&self) {
        let mut queue = self.outgoing();
        if !queue.is_empty() {
            // An error means that the template is gone, which the reports show.
            let _ = queue.flush(&self.socket);
        }
    }

    /// Sleeps until the template's socket takes more, if that is what is missing, at most until then.
    pub(crate) fn sleep_for_room(&self, until: Instant) -> io::Result<()> {
        let is_full = self.outgoing().is_full();
        let socket = [(self.socket.as_fd(), PollFlags::OUT)];
        watch::sleep(if is_full { &socket } else { &[] }, Some(until))
    }

    /// Lets `watch` become readable when it is time to [`retry`](Line::retry).
    pub(crate) fn wake_by(&self, seat: &Arc<Seat>, watch: &Arc<Watch>) {
        self.outgoing().wake_by(seat, watch, &self.socket);
    }

    /// Takes an order back that has not been sent yet. `false`: it has.
    pub(crate) fn take_back(&self, seat: &Seat) -> bool {
        self.outgoing().take_back(seat, &self.socket)
    }

    /// Takes in all that has come, and sends what waits.
    pub(crate) fn collect(&self) {
        late::go_on();
        self.send_waiting();
        self.take_reports();
    }

    /// Gives the socket away: what comes on it is for somebody else. What the template has been told already is sent before, which is waited for until then. `None`: it did not take that, and is still this process's,
    /// but forks no more.
    pub(crate) fn give_away(&self, until: Instant) -> io::Result<Option<OwnedFd>> {
        let socket = self.socket.try_clone()?;
        self.settle_pool();
        self.ending.store(true, Ordering::Relaxed);
        self.outgoing().fail_unbegun();
        // Nobody sends anything from here on.
        let Some(_nothing) = self.send_all(until) else { return Ok(None) };
        self.given_away.store(true, Ordering::Relaxed);
        self.incoming().closed = true;
        Ok(Some(socket))
    }

    /// Sends all that waits. Blocks until then, and until that time at the longest: `None`, something still waits.
    fn send_all(&self, until: Instant) -> Option<MutexGuard<'_, Queue>> {
        loop {
            let mut queue = self.outgoing();
            // An error means that the template is gone. Then nothing waits any more.
            let _ = queue.flush(&self.socket);
            if queue.is_empty() {
                return Some(queue);
            }
            drop(queue);
            let now = Instant::now();
            if until <= now || self.sleep_for_room(until.min(now + TICK)).is_err() {
                return None;
            }
        }
    }

    /// For a template that is a child of this process: waits for its end, so that no zombie stays.
    pub(crate) fn wait_for_end(&self, limit: Duration) {
        if self.is_foreign() || self.given_away.load(Ordering::Relaxed) {
            return;
        }
        if self.is_child {
            self.take_reports();
            self.sleep_until_end(limit);
        }
        self.wait_for_child();
    }

    fn sleep_until_end(&self, limit: Duration) {
        let Some(Identity { pidfd: Some(pidfd), .. }) = self.identity() else { return };
        let until = Instant::now() + limit;
        while pidfd::life(pidfd).is_ok_and(|life| life == Life::Runs) && Instant::now() < until {
            let _ = watch::sleep(&[(pidfd.as_fd(), PollFlags::IN)], Some(until));
        }
    }

    /// If it has ended. Not only those that were made as children: a program that adopts orphans, as number 1 of a namespace does, is the parent of a template whose own was killed.
    fn wait_for_child(&self) {
        if !strikes(Mutant::Reap)
            && let Some(Identity { pidfd: Some(pidfd), .. }) = self.identity()
            && let Some(record) = wait::reap(Which::Pidfd(pidfd.as_fd()))
        {
            let _ = self.ended.set(ExitStatus::of_record(&record));
        }
    }

    /// What has not ended by now is waited for at another time.
    fn leave_late(&mut self) {
        if !self.is_child || self.is_foreign() || self.given_away.load(Ordering::Relaxed) || strikes(Mutant::Reap) {
            return;
        }
        if let Some(Identity { pidfd: Some(pidfd), .. }) = self.template.take() {
            late::keep(Late::Child(pidfd));
        }
        late::go_on();
    }

    /// Sends what waits, the rest at another time. Says whether there is none.
    fn send_late(&self) -> bool {
        if self.send_all(Instant::now() + LAST_WAIT).is_some() {
            return true;
        }
        let queue = mem::take(&mut *self.outgoing());
        late::keep(Late::Untold(self.maker, Arc::clone(&self.socket), queue));
        false
    }

    fn outgoing(&self) -> MutexGuard<'_, Queue> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a template has been told before arrives. One that is a child of this process, and that nobody can ask any more, ends now, so that it can be waited for.
impl Drop for Line {
    fn drop(&mut self) {
        if self.is_foreign() {
            return;
        }
        if self.is_child && !self.is_closed() {
            self.end();
        }
        if self.send_late() {
            self.wait_for_end(LAST_WAIT);
        }
        self.leave_late();
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
