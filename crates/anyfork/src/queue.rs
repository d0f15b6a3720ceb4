//! What a template's socket does not take yet. A start that waits here has no socket of its own: the pair is made when its turn comes, so
//! that ten thousand starts at once need no more descriptors than a few hundred.

use crate::channel::{Descriptors, Outbox};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::socket::{self, Blocking};
use crate::watch::Watch;
use crate::wire::Order;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A new process, as it is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    /// To the template. The new process's end of its socket goes in front of the descriptors.
    order: Outbox,
    /// To the process: it finds them in its socket.
    orders: Outbox,
    /// The client's end of that socket, once it is made.
    socket: Option<OwnedFd>,
}

/// A process that has been asked for: the client's end of its socket, and the orders that this did not take yet.
pub(crate) type Ordered = (OwnedFd, Outbox);

/// How far a request has come.
#[derive(Debug)]
enum Progress {
    Done,
    /// The template's socket takes no more now. With an errno of its own if writability would say nothing.
    Blocked(io::Error),
    /// This one cannot be; others can.
    Failed(Error),
    /// The template is gone.
    Broken(io::Error),
}

impl Request {
    pub(crate) fn new(order: &Order<'_>, descriptors: Descriptors, orders: Outbox) -> Self {
        let mut outbox = Outbox::default();
        order.append(&mut outbox.bytes, descriptors.len() as u16 + 1);
        outbox.descriptors = descriptors;
        Request { order: outbox, orders, socket: None }
    }

    /// Sends it, as far as that is possible now.
    fn send(&mut self, to: &OwnedFd) -> Progress {
        if self.socket.is_none()
            && let Err(error) = self.make_socket()
        {
            return Progress::Failed(error);
        }
        match self.order.flush(to, Blocking::No) {
            Ok(()) => Progress::Done,
            Err(error) if is_passing(&error) => Progress::Blocked(error),
            Err(error) => Progress::Broken(error),
        }
    }

    /// First the orders, then the fork: the new process finds them there, whenever it comes.
    fn make_socket(&mut self) -> Result<()> {
        let (ours, theirs) = socket::pair().map_err(|error| Error::system("make a socket pair", error))?;
        match self.orders.flush(&ours, Blocking::No) {
            Err(error) if !is_passing(&error) => return Err(Error::system("send orders", error)),
            _ => {}
        }
        self.order.descriptors.insert(0, theirs);
        self.socket = Some(ours);
        Ok(())
    }

    /// Whether a part of it has been sent, so that the rest must follow.
    fn is_under_way(&self) -> bool {
        self.socket.is_some() && self.order.descriptors.is_empty()
    }

    fn take(&mut self) -> Option<Ordered> {
        Some((self.socket.take()?, std::mem::take(&mut self.orders)))
    }
}

/// A start in the queue: shared by the queue and whoever wants the process.
#[derive(Debug)]
pub(crate) struct Seat(Mutex<Turn>);

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is in an `Arc` already")]
enum Turn {
    /// With what is to be woken when it is over.
    Waiting(Request, Option<Arc<Watch>>),
    Ordered(Ordered),
    Failed(Error),
    /// The template was gone before.
    Broken,
    Over,
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
            Turn::Waiting(request, _) => request.orders.append(more),
            Turn::Ordered((_, orders)) => orders.append(more),
            _ => {}
        }
    }

    fn send(&self, to: &OwnedFd) -> Progress {
        let mut turn = self.turn();
        let Turn::Waiting(request, watch) = &mut *turn else { return Progress::Done };
        let watch = watch.take();
        let next = match request.send(to) {
            Progress::Done => request.take().map_or(Turn::Over, |ordered| {
                if let Some(watch) = &watch {
                    show_answer(watch, &ordered);
                }
                Turn::Ordered(ordered)
            }),
            Progress::Failed(error) => {
                watch.as_ref().inspect(|watch| watch.make_ready());
                Turn::Failed(error)
            }
            stopped => {
                if let Turn::Waiting(_, kept) = &mut *turn {
                    *kept = watch;
                }
                return stopped;
            }
        };
        *turn = next;
        if let Some(watch) = watch {
            watch.remove(to);
            let _ = watch.set_ticking(false);
        }
        Progress::Done
    }

    fn fail(&self) {
        let mut turn = self.turn();
        if let Turn::Waiting(_, watch) = &*turn {
            watch.as_ref().inspect(|watch| watch.make_ready());
            *turn = Turn::Broken;
        }
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Those that an event loop waits for, in their order. The first is woken when the template's socket takes more, and sends for
    /// all: were all of them woken, each fork in the template would cost it that.
    watched: VecDeque<Arc<Seat>>,
    /// Whether the first of them has been told to watch.
    first_watches: bool,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
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
                Progress::Broken(error) => return Err(error),
                Progress::Blocked(_) => {}
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
            match message.flush(to, Blocking::No) {
                Err(error) if is_passing(&error) => {}
                sent => return sent,
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
                Waiting::Message(message) => match message.flush(to, Blocking::No) {
                    Ok(()) => Progress::Done,
                    Err(error) if is_passing(&error) => Progress::Blocked(error),
                    Err(error) => Progress::Broken(error),
                },
            };
            match progress {
                Progress::Done | Progress::Failed(_) => {}
                Progress::Blocked(why) => {
                    self.watch_first(to, &why);
                    return Ok(());
                }
                Progress::Broken(error) => {
                    self.fail_all();
                    return Err(error);
                }
            }
            self.waiting.pop_front();
        }
        self.watched.clear();
        self.first_watches = false;
        Ok(())
    }

    /// Lets `watch` become readable when it is time to try again, or when the start has been sent.
    pub(crate) fn wake_by(&mut self, seat: &Arc<Seat>, watch: &Arc<Watch>, to: &OwnedFd) {
        match &mut *seat.turn() {
            Turn::Waiting(_, place) => *place = Some(Arc::clone(watch)),
            // Since a moment ago.
            Turn::Ordered(ordered) => return show_answer(watch, ordered),
            _ => return watch.make_ready(),
        }
        self.watched.push_back(Arc::clone(seat));
        self.watch_first(to, &io::ErrorKind::WouldBlock.into());
    }

    /// Takes a start back. `false`: that is too late, or it is not here.
    pub(crate) fn take_back(&mut self, seat: &Seat, to: &OwnedFd) -> bool {
        let mut turn = seat.turn();
        let Turn::Waiting(request, watch) = &mut *turn else { return false };
        if let Some(watch) = watch.take() {
            watch.remove(to);
        }
        if request.is_under_way() {
            // The rest must follow, or nobody would understand what comes then. The process finds that it has been given up.
            request.socket.iter().for_each(socket::shut);
        } else {
            *turn = Turn::Over;
        }
        drop(turn);
        self.watch_first(to, &io::ErrorKind::WouldBlock.into());
        true
    }

    fn watch_first(&mut self, to: &OwnedFd, why: &io::Error) {
        while let Some(first) = self.watched.front() {
            let turn = first.turn();
            let Turn::Waiting(_, Some(watch)) = &*turn else {
                drop(turn);
                self.watched.pop_front();
                self.first_watches = false;
                continue;
            };
            if !self.first_watches {
                let _ = watch.add(to, EventFlags::OUT);
                self.first_watches = true;
            }
            // Room in the socket is not what is missing then.
            let _ = watch.set_ticking(why.kind() != io::ErrorKind::WouldBlock);
            return;
        }
    }

    /// Nobody reads any more.
    pub(crate) fn fail_all(&mut self) {
        for waiting in self.waiting.drain(..) {
            if let Waiting::Start(seat) = waiting {
                seat.fail();
            }
        }
        self.watched.clear();
        self.first_watches = false;
    }
}

/// Lets a watch become readable with the process's answer.
fn show_answer(watch: &Watch, (socket, _): &Ordered) {
    if watch.add(socket, EventFlags::IN).is_err() {
        watch.make_ready();
    }
}

/// Where a start is.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "moved once, on the way of every start: no allocation for it")]
pub(crate) enum Place {
    Ordered(Ordered),
    Queued(Arc<Seat>),
}

/// Whether trying again can help: the socket is full, or too many descriptors are under way (unix(7), ETOOMANYREFS).
pub(crate) fn is_passing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || matches!(Errno::from_io_error(error), Some(Errno::TOOMANYREFS | Errno::NOBUFS))
}
