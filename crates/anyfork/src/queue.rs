//! What a template's socket does not take yet. A start that waits here has no socket of its own: the pair is made when its turn comes, so
//! that ten thousand starts at once need no more descriptors than a few hundred.

use crate::channel::Outbox;
use crate::error::{Error, ErrorKind, Result};
use crate::request::{Blocked, Ordered, Progress, Request};
use crate::sys::socket;
use crate::watch::{TICK, Watch};
use rustix::event::epoll::EventFlags;
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A start in the queue: shared by the queue and whoever wants the process.
#[derive(Debug)]
pub(crate) struct Seat(Mutex<Turn>);

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is in an `Arc` already")]
enum Turn {
    /// With what is to be woken when it is over.
    Waiting(Request, Option<Watcher>),
    Ordered(Ordered),
    Failed(Error),
    /// The template was gone before.
    Broken,
    Over,
}

#[derive(Debug)]
struct Watcher {
    watch: Arc<Watch>,
    /// Whether it is woken when the template's socket takes more.
    sees_socket: bool,
}

impl Watcher {
    /// Wakes it when trying again can help: when the socket takes more, or, if room in the socket is not what is missing, each millisecond.
    fn look(&mut self, socket: &OwnedFd, why: Blocked) {
        match why {
            Blocked::Full if self.sees_socket => {}
            Blocked::Full => self.sees_socket = self.watch.add(socket, EventFlags::OUT).is_ok(),
            // It may be writable all the time.
            Blocked::ByOthers => self.leave(socket),
        }
        let _ = self.watch.set_ticking((!self.sees_socket).then_some(TICK));
    }

    fn look_away(&mut self, socket: &OwnedFd) {
        self.leave(socket);
        let _ = self.watch.set_ticking(None);
    }

    fn leave(&mut self, socket: &OwnedFd) {
        if std::mem::take(&mut self.sees_socket) {
            self.watch.remove(socket);
        }
    }
}

/// What has become of a start in the queue.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "moved once")]
pub(crate) enum Outcome {
    Waiting,
    Ordered(Ordered),
    Failed(Error),
    Broken,
}

impl Seat {
    /// What has become of it. What is not `Waiting` is told once.
    pub(crate) fn outcome(&self) -> Outcome {
        let mut turn = self.turn();
        match std::mem::replace(&mut *turn, Turn::Over) {
            waiting @ Turn::Waiting(..) => {
                *turn = waiting;
                Outcome::Waiting
            }
            Turn::Ordered(ordered) => Outcome::Ordered(ordered),
            Turn::Failed(error) => Outcome::Failed(error),
            Turn::Broken | Turn::Over => Outcome::Broken,
        }
    }

    /// Adds orders for the process.
    pub(crate) fn append(&self, more: Outbox) {
        match &mut *self.turn() {
            Turn::Waiting(request, _) => request.append(more),
            Turn::Ordered((_, orders)) => orders.append(more),
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        matches!(&*self.turn(), Turn::Over)
    }

    fn is_under_way(&self) -> bool {
        matches!(&*self.turn(), Turn::Waiting(request, _) if request.is_under_way())
    }

    fn send(&self, to: &OwnedFd) -> Progress {
        let mut turn = self.turn();
        let Turn::Waiting(request, watcher) = &mut *turn else { return Progress::Done };
        let progress = request.send(to);
        let next = match progress {
            Progress::Done => request.take().map_or(Turn::Over, Turn::Ordered),
            Progress::Failed(error) => Turn::Failed(error),
            stopped => return stopped,
        };
        let watcher = watcher.take();
        if let Some(mut watcher) = watcher {
            watcher.look_away(to);
            next.show(&watcher.watch);
        }
        *turn = next;
        Progress::Done
    }

    fn fail(&self) {
        let mut turn = self.turn();
        if let Turn::Waiting(_, watcher) = &*turn {
            // Without a descriptor for that it asks by itself in a while.
            watcher.as_ref().inspect(|watcher| drop(watcher.watch.make_ready()));
            *turn = Turn::Broken;
        }
    }

    /// Lets it see the template's socket, if it waits and somebody waits for it. `false`: it does not.
    fn look(&self, socket: &OwnedFd, why: Blocked) -> bool {
        match &mut *self.turn() {
            Turn::Waiting(_, Some(watcher)) => {
                watcher.look(socket, why);
                true
            }
            _ => false,
        }
    }

    fn look_away(&self, socket: &OwnedFd) {
        if let Turn::Waiting(_, Some(watcher)) = &mut *self.turn() {
            watcher.look_away(socket);
        }
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Lets a watch become readable with the process's answer, or because there will be none.
    fn show(&self, watch: &Watch) {
        let shown = match self {
            Turn::Ordered((socket, orders)) => {
                // What its socket did not take has to follow.
                let follows = (!orders.is_empty()).then_some(TICK);
                watch.add(socket, EventFlags::IN).and_then(|()| watch.set_ticking(follows)).is_ok()
            }
            _ => false,
        };
        if !shown {
            let _ = watch.make_ready();
        }
    }
}

#[derive(Debug)]
enum Waiting {
    Start(Arc<Seat>),
    /// Without a process to come.
    Message(Box<Outbox>),
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    /// Those that an event loop waits for, in the order in which that began. Two of them see the socket, and send for all when it takes more: were all of
    /// them woken, each fork in the template would cost it that.
    watched: VecDeque<Arc<Seat>>,
    /// Who has asked last, and so is likely to ask again: the first may be kept by somebody who does not ask any more.
    latest: Option<Arc<Seat>>,
    /// Why the first of all could not be sent.
    blocked: Blocked,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether something waits, and for nothing but room in the socket.
    pub(crate) fn is_full(&self) -> bool {
        !self.is_empty() && self.blocked == Blocked::Full
    }

    /// Sends a request, or queues it.
    ///
    /// # Errors
    /// The request's own (within), or that the template is gone.
    pub(crate) fn request(&mut self, mut request: Request, to: &OwnedFd) -> io::Result<Result<Place>> {
        self.flush(to)?;
        if self.is_empty() {
            match request.send(to) {
                Progress::Done => {
                    let gone = || Error::new(ErrorKind::ProcessGone, "start", "");
                    return Ok(request.take().map(Place::Ordered).ok_or_else(gone));
                }
                Progress::Failed(error) => return Ok(Err(error)),
                Progress::Broken(error) => return Err(self.break_off(error, to)),
                Progress::Blocked(why) => self.blocked = why,
            }
        }
        let seat = Arc::new(Seat(Mutex::new(Turn::Waiting(request, None))));
        self.waiting.push_back(Waiting::Start(Arc::clone(&seat)));
        Ok(Ok(Place::Queued(seat)))
    }

    /// Sends a message, or queues it.
    pub(crate) fn message(&mut self, mut message: Outbox, to: &OwnedFd) -> io::Result<()> {
        self.flush(to)?;
        if self.is_empty() {
            match Progress::send(&mut message, to) {
                Progress::Done => return Ok(()),
                Progress::Failed(error) => return Err(error.into()),
                Progress::Broken(error) => return Err(self.break_off(error, to)),
                Progress::Blocked(why) => self.blocked = why,
            }
        }
        self.waiting.push_back(Waiting::Message(Box::new(message)));
        Ok(())
    }

    /// Sends what the socket takes.
    pub(crate) fn flush(&mut self, to: &OwnedFd) -> io::Result<()> {
        while let Some(first) = self.waiting.front_mut() {
            let progress = match first {
                Waiting::Start(seat) => seat.send(to),
                Waiting::Message(message) => Progress::send(message, to),
            };
            match progress {
                // One that failed has its error.
                Progress::Done | Progress::Failed(_) => {}
                Progress::Blocked(why) => {
                    self.blocked = why;
                    self.let_two_look(to);
                    return Ok(());
                }
                Progress::Broken(error) => return Err(self.break_off(error, to)),
            }
            self.waiting.pop_front();
        }
        self.forget_watched();
        Ok(())
    }

    /// Sends what the socket takes, for a start that is asked for.
    pub(crate) fn retry(&mut self, seat: &Arc<Seat>, to: &OwnedFd) -> io::Result<()> {
        self.flush(to)?;
        if matches!(&*seat.turn(), Turn::Waiting(_, Some(_))) {
            self.prefer(seat, to);
        }
        Ok(())
    }

    /// Lets `watch` become readable when it is time to try again, or when the start has been sent.
    pub(crate) fn wake_by(&mut self, seat: &Arc<Seat>, watch: &Arc<Watch>, to: &OwnedFd) {
        match &mut *seat.turn() {
            Turn::Waiting(_, place) => *place = Some(Watcher { watch: Arc::clone(watch), sees_socket: false }),
            // Since a moment ago.
            over => return over.show(watch),
        }
        self.watched.push_back(Arc::clone(seat));
        self.prefer(seat, to);
    }

    fn prefer(&mut self, seat: &Arc<Seat>, to: &OwnedFd) {
        if self.latest.as_ref().is_some_and(|latest| Arc::ptr_eq(latest, seat)) {
            return;
        }
        if let Some(before) = self.latest.replace(Arc::clone(seat)) {
            before.look_away(to);
        }
        self.let_two_look(to);
    }

    /// Takes a start back. `false`: that is too late, or it is not here.
    pub(crate) fn take_back(&mut self, seat: &Seat, to: &OwnedFd) -> bool {
        let mut turn = seat.turn();
        let Turn::Waiting(request, watcher) = &mut *turn else { return false };
        if let Some(mut watcher) = watcher.take() {
            watcher.look_away(to);
        }
        if request.is_under_way() {
            // The rest must follow, or nobody would understand what comes then. The process finds that it has been given up.
            request.give_up();
        } else {
            *turn = Turn::Over;
        }
        drop(turn);
        self.drop_last();
        self.let_two_look(to);
        true
    }

    /// Lets the first see the socket, and who has asked last (or else the last).
    fn let_two_look(&mut self, to: &OwnedFd) {
        while self.watched.front().is_some_and(|first| !first.look(to, self.blocked)) {
            self.watched.pop_front();
        }
        if self.latest.as_ref().is_some_and(|latest| latest.look(to, self.blocked)) {
            return;
        }
        while self.watched.back().is_some_and(|last| !last.look(to, self.blocked)) {
            self.watched.pop_back();
        }
        self.latest = self.watched.back().cloned();
    }

    /// Forgets those at the end that have been taken back: a program may try again and again while its template hangs.
    fn drop_last(&mut self) {
        while self.waiting.back().is_some_and(|last| matches!(last, Waiting::Start(seat) if seat.is_over())) {
            self.waiting.pop_back();
        }
        while self.watched.back().is_some_and(|last| last.is_over()) {
            self.watched.pop_back();
        }
    }

    fn forget_watched(&mut self) {
        self.watched.clear();
        self.latest = None;
    }

    /// Nobody reads any more, or nobody would understand it: then the template finds the end here, and ends.
    fn break_off(&mut self, error: io::Error, to: &OwnedFd) -> io::Error {
        socket::shut(to);
        self.fail_all();
        error
    }

    pub(crate) fn fail_all(&mut self) {
        for waiting in self.waiting.drain(..) {
            if let Waiting::Start(seat) = waiting {
                seat.fail();
            }
        }
        self.forget_watched();
    }

    /// Starts of which no part has been sent fail. What is left has to be sent, or nobody would understand what comes then, and nobody would know what has been started.
    pub(crate) fn fail_unbegun(&mut self) {
        self.waiting.retain(|waiting| match waiting {
            Waiting::Start(seat) => {
                seat.is_under_way() || {
                    seat.fail();
                    false
                }
            }
            Waiting::Message(_) => true,
        });
    }
}

/// Where a start is.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "moved once, on the way of every start: no allocation for it")]
pub(crate) enum Place {
    Ordered(Ordered),
    Queued(Arc<Seat>),
}
