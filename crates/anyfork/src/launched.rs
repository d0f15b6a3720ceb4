//! A process that has been ordered, until it has answered.

use crate::channel::{Filled, Inbox, Message, Outbox};
use crate::error::{Error, ErrorKind, Result};
use crate::line::{Fate, Line, Spare};
use crate::maker::Maker;
use crate::queue::{Outcome, Place, Seat};
use crate::sys::pidfd;
use crate::sys::receive::Along;
use crate::sys::socket::{self, Blocking, is_passing};
use crate::watch::{self, TICK, Watch};
use crate::wire::{Order, Reply};
use rustix::event::PollFlags;
use rustix::event::epoll::EventFlags;
use rustix::process::Signal;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A process that has been ordered, and the client's end of its socket.
#[derive(Debug)]
pub(crate) struct Launched {
    stage: Stage,
    inbox: Inbox,
    /// Orders for the process that its socket did not take yet.
    orders: Outbox,
    /// Who forks it, and its id there. `None` for a process that another program ordered.
    pub(crate) line: Option<(Arc<Line>, u64)>,
    /// Whether it was ordered as a process that will be prepared, which its template must be told when it no longer is.
    pub(crate) prepares: bool,
    pub(crate) confirmation: Confirmation,
    /// What a process has said that has still to confirm it.
    announced: Answer,
    maker: Maker,
    /// Whether it is a child of this process, which then has to wait for it.
    pub(crate) is_child: bool,
    /// How long its template had to be waited for before it could be ordered, which counts for the deadline.
    pub(crate) waited: Duration,
    /// It has ended without a word. Until then its template is waited for, which knows why.
    last_word: Option<Instant>,
    /// Whether the last question has left something unread.
    has_more: bool,
    /// When it is to be asked even if nothing has happened.
    next_look: Instant,
}

/// When the process is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// With its reply.
    Once,
    /// When the socket has been closed behind its *started*: by the exec.
    ByEnd,
    /// With a reply behind its *started*: of the program that it has become.
    Twice,
}

#[derive(Debug)]
enum Stage {
    /// It is not ordered yet: its template's socket is full.
    Queued(Arc<Seat>),
    Ordered(OwnedFd),
}

/// A process's number and pidfd.
pub(crate) type Answer = Option<(u32, Option<OwnedFd>)>;

/// How long it may take until the template has told how a process ended that never answered. It is under way by then.
const LAST_WORD: Duration = Duration::from_millis(20);

/// How long a start goes on without a sign. While it waits for its template somebody else sends it, as a rule; if those who were to do that do not ask any more, it has to. And of a template that has ended
/// there is no sign if something that it has left holds its socket.
const PATIENCE: Duration = Duration::from_millis(500);

/// So often is read for one question: who sends without end is not listened to beyond the deadline.
const MOST_READ: usize = 256;

impl Launched {
    /// A process that is there already, at the other end of the socket.
    pub(crate) fn elsewhere(socket: OwnedFd) -> Self {
        let _ = socket::name_senders(&socket, true);
        Self::new(Stage::Ordered(socket), Outbox::default(), None)
    }

    /// A process that this line's template was asked for.
    pub(crate) fn by(line: Arc<Line>, id: u64, place: Place) -> Self {
        match place {
            Place::Ordered((socket, orders)) => Self::new(Stage::Ordered(socket), orders, Some((line, id))),
            Place::Queued(seat) => Self::new(Stage::Queued(seat), Outbox::default(), Some((line, id))),
        }
    }

    /// A process that this line's template forked in advance, and that waits for its orders.
    pub(crate) fn spare(line: Arc<Line>, spare: Spare) -> Self {
        let Spare { id, socket, .. } = spare;
        let _ = socket::name_senders(&socket, true);
        let launched = Self::new(Stage::Ordered(socket), Outbox::default(), Some((line, id)));
        Launched { prepares: true, ..launched }
    }

    fn new(stage: Stage, orders: Outbox, line: Option<(Arc<Line>, u64)>) -> Self {
        Launched {
            stage,
            inbox: Inbox::with(Along::OneWithName),
            orders,
            line,
            prepares: false,
            confirmation: Confirmation::Once,
            announced: None,
            maker: Maker::this(),
            is_child: false,
            waited: Duration::ZERO,
            last_word: None,
            has_more: false,
            next_look: Instant::now() + PATIENCE,
        }
    }

    /// An error in a fork of the program.
    pub(crate) fn check_maker(&self) -> Result<()> {
        self.maker.check("start")
    }

    /// Gives the process more orders, as far as its socket takes them. With `bind` they are the last ones, of one that is to end with its owner.
    pub(crate) fn give(&mut self, mut orders: Outbox, bind: bool) -> Result<()> {
        if self.prepares && bind {
            // In front: nothing may stand behind the last order.
            let last = orders.take();
            orders.push(&Order::Bind, []);
            orders.append(last);
        }
        orders.pack().map_err(|error| Error::system("put orders into a memory file", error))?;
        match &self.stage {
            Stage::Queued(seat) => seat.append(orders),
            Stage::Ordered(_) => self.orders.append(orders),
        }
        self.push_on().map(drop)
    }

    /// Sends what could not be sent yet. Says whether all has been sent.
    pub(crate) fn push_on(&mut self) -> Result<bool> {
        self.check_maker()?;
        if let (Stage::Queued(seat), Some((line, _))) = (&self.stage, &self.line) {
            let Outcome::Ordered((socket, orders)) = line.retry(seat)? else { return Ok(false) };
            self.stage = Stage::Ordered(socket);
            self.orders = orders;
        }
        let Stage::Ordered(socket) = &self.stage else { return Ok(false) };
        match self.orders.flush(socket, Blocking::No) {
            Ok(()) => {}
            Err(error) if is_passing(&error) => {}
            // It has failed already, and said why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.orders = Outbox::default(),
            Err(error) => return Err(Error::system("send orders", error)),
        }
        Ok(self.orders.is_empty())
    }

    /// Sends all orders. Blocks until then; says whether that was before `until`.
    pub(crate) fn push_all(&mut self, until: Instant) -> Result<bool> {
        while !self.push_on()? {
            if until <= Instant::now() {
                return Ok(false);
            }
            self.sleep(until).map_err(|error| Error::system("wait", error))?;
        }
        Ok(true)
    }

    /// Whether its template has not taken the order yet.
    pub(crate) fn is_queued(&self) -> bool {
        matches!(self.stage, Stage::Queued(_))
    }

    /// The client's end of its socket, once it has been ordered.
    pub(crate) fn into_socket(self) -> Option<OwnedFd> {
        match self.stage {
            Stage::Ordered(socket) => {
                // From here on it is somebody else's, who may not expect that.
                let _ = socket::name_senders(&socket, false);
                Some(socket)
            }
            Stage::Queued(_) => None,
        }
    }

    /// Lets `watch` become readable when there is something to do for it.
    pub(crate) fn show(&self, watch: &Arc<Watch>) -> io::Result<()> {
        match (&self.stage, &self.line) {
            (Stage::Queued(seat), Some((line, _))) => line.wake_by(seat, watch),
            (Stage::Queued(_), None) => {}
            (Stage::Ordered(socket), _) => watch.add(socket, EventFlags::IN)?,
        }
        self.adjust(watch)
    }

    /// After an answer was looked for and not found: what to wait for now.
    pub(crate) fn adjust(&self, watch: &Watch) -> io::Result<()> {
        let Stage::Ordered(socket) = &self.stage else { return Ok(()) };
        if self.last_word.is_some() {
            // It is readable for ever now.
            watch.remove(socket);
        } else if self.has_more {
            watch.tell_again(socket)?;
        }
        let is_tried_again = self.last_word.is_some() || !self.orders.is_empty();
        watch.set_ticking(is_tried_again.then_some(TICK))
    }

    /// The answer has been taken: what comes on the socket now is for somebody else.
    pub(crate) fn hide(&self, watch: &Watch) {
        if let Stage::Ordered(socket) = &self.stage {
            watch.remove(socket);
        }
    }

    /// Sleeps until there may be something to do, at most until then.
    pub(crate) fn sleep(&self, until: Instant) -> io::Result<()> {
        let until = self.next_question(until);
        let tick = until.min(Instant::now() + TICK);
        // One wake-up, not two, if more than the reply is waited for.
        let event = if self.confirmation == Confirmation::ByEnd { PollFlags::RDHUP } else { PollFlags::IN };
        match (&self.stage, &self.line, self.last_word) {
            (_, Some((line, _)), Some(_)) => watch::sleep(&[(line.as_fd(), PollFlags::IN)], Some(tick)),
            (Stage::Ordered(socket), _, _) => {
                let until = if self.orders.is_empty() { until } else { tick };
                watch::sleep(&[(socket.as_fd(), event)], Some(until))
            }
            // Somebody else may send it.
            (Stage::Queued(_), Some((line, _)), _) => line.sleep_for_room(tick),
            (Stage::Queued(_), None, _) => watch::sleep(&[], Some(tick)),
        }
    }

    /// When it is to be asked at the latest, if it fails at `deadline`.
    pub(crate) fn next_question(&self, deadline: Instant) -> Instant {
        if self.line.is_some() { deadline.min(self.next_look) } else { deadline }
    }

    /// The process's one reply, if it has come. Never blocks.
    pub(crate) fn take_answer(&mut self, what: &str) -> Result<Answer> {
        let answer = self.read_answer(what)?;
        if answer.is_none() && self.is_left_behind() {
            return self.why_it_ended(what).map_or(Ok(None), Err);
        }
        Ok(answer)
    }

    /// Whether its template has ended, and nothing else will ever show that. Looked for from time to time.
    fn is_left_behind(&mut self) -> bool {
        let Some((line, _)) = &self.line else { return false };
        let now = Instant::now();
        if now < self.next_look {
            return false;
        }
        self.next_look = now + PATIENCE;
        line.is_held()
    }

    fn read_answer(&mut self, what: &str) -> Result<Answer> {
        self.push_on()?;
        self.has_more = false;
        let mut reads = 0;
        while self.last_word.is_none() {
            let message = self.inbox.next().map_err(|malformed| Error::malformed(what.to_owned(), malformed))?;
            if let Some(message) = message {
                match self.take_reply(what, message)? {
                    None => continue,
                    answer => return Ok(answer),
                }
            }
            let Stage::Ordered(socket) = &self.stage else { return Ok(None) };
            if reads == MOST_READ {
                // What they brought has been looked at: nothing else would show it.
                self.has_more = true;
                return Ok(None);
            }
            reads += 1;
            match self.inbox.fill_reply(socket, Blocking::No) {
                Ok(Filled::Some) => {}
                Ok(Filled::Nothing) => return Ok(None),
                Ok(Filled::End) if self.announced.is_some() && self.confirmation == Confirmation::ByEnd => {
                    return Ok(self.announced.take());
                }
                Ok(Filled::End) => self.last_word = Some(Instant::now() + LAST_WORD),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(Error::new(ErrorKind::Protocol, what.to_owned(), error.to_string()));
                }
                Err(error) => return Err(Error::system("receive the reply", error)),
            }
        }
        self.why_it_ended(what).map_or(Ok(None), Err)
    }

    /// What one reply says. `None`: nothing yet.
    fn take_reply(&mut self, what: &str, mut message: Message) -> Result<Answer> {
        if message.lost_descriptors {
            let error = io::Error::from(rustix::io::Errno::MFILE);
            return Err(Error::system("receive the reply", error));
        }
        let reply = Reply::parse(message.frame.get());
        match reply.map_err(|malformed| Error::malformed(what.to_owned(), malformed))? {
            // A template that is taken up may have said that to its earlier owner.
            Reply::Exited(_) | Reply::NotForked { .. } | Reply::Spare { .. } if self.line.is_none() => Ok(None),
            Reply::Started { pid } if self.announced.is_none() && self.confirmation != Confirmation::Once => {
                self.announced = Some(identity(what, pid, &mut message)?);
                Ok(None)
            }
            Reply::Started { pid } | Reply::Ready { pid } => {
                let said = identity(what, pid, &mut message)?;
                // Its number is the one that its template knows: who answers may be a child of that one.
                Ok(Some(match self.announced.take() {
                    Some((pid, None)) if pid == said.0 => said,
                    announced => announced.unwrap_or(said),
                }))
            }
            Reply::Failed(failure) => Err(Error::reported(failure)),
            _ => Err(Error::new(ErrorKind::Protocol, what.to_owned(), "a reply that belongs to a template")),
        }
    }

    /// The socket is closed without a reply: by the end of the process, or of its template. `None`: that may be known in a moment.
    fn why_it_ended(&self, what: &str) -> Option<Error> {
        let error = |kind, message: String| Some(Error::new(kind, what.to_owned(), message));
        let Some((line, id)) = &self.line else {
            return error(ErrorKind::ProcessGone, "the process ended before it was ready".into());
        };
        line.collect();
        match line.fate(*id) {
            Fate::NotForked(errno) => {
                let why = io::Error::from_raw_os_error(errno);
                Some(Error::system("receive descriptors in the template", why))
            }
            Fate::Ended(status) => {
                error(ErrorKind::ProcessGone, format!("the process ended before it was ready: {status}"))
            }
            Fate::Running if line.is_closed() => {
                line.take_failure().or_else(|| error(ErrorKind::TemplateGone, line.epitaph()))
            }
            Fate::Running if self.last_word.is_some_and(|until| Instant::now() < until) => None,
            Fate::Running => error(ErrorKind::ProcessGone, "the process ended before it was ready".into()),
        }
    }

    /// Makes sure that the process never enters its entry, and is gone soon. Never blocks.
    pub(crate) fn give_up(&mut self) {
        if self.maker.is_foreign() {
            return;
        }
        let socket = match (&self.stage, &self.line) {
            (Stage::Queued(seat), Some((line, id))) => {
                if line.take_back(seat) {
                    return line.forget(*id);
                }
                // A moment ago it was its turn, or it has failed.
                let Outcome::Ordered((socket, _)) = seat.outcome() else { return line.forget(*id) };
                self.stage = Stage::Ordered(socket);
                return self.give_up();
            }
            (Stage::Queued(_), None) => return,
            (Stage::Ordered(socket), _) => socket,
        };
        // From here on no "started" can arrive: the process sees that and ends. One that has arrived is too late.
        socket::shut(socket);
        let _ = self.inbox.fill_reply(socket, Blocking::No);
        let message = self.inbox.next().ok().flatten();
        let said = message.and_then(|mut message| identity("", 0, &mut message).ok());
        for pidfd in said.into_iter().chain(self.announced.take()).filter_map(|(_, pidfd)| pidfd) {
            let _ = pidfd::signal(pidfd, Signal::KILL);
        }
        if let Some((line, id)) = &self.line {
            // It may be busy with its preparation and see nothing.
            let _ = line.signal(*id, Signal::KILL.as_raw());
            line.forget(*id);
        }
    }
}

/// Who has answered: the number and the pidfd. A process that runs somebody else's code may say and send what it likes, so the kernel is asked who has sent it, and
/// whose pidfd it is: a signal that is meant for the process must not meet another.
fn identity(what: &str, said: u32, message: &mut Message) -> Result<(u32, Option<OwnedFd>)> {
    let pid = message.sender.unwrap_or(said);
    // Interpreters do not know of that.
    let pidfd = message.descriptors.pop().filter(|_| !cfg!(anyfork_no_pidfd));
    let Some(pidfd) = pidfd else { return Ok((pid, None)) };
    match pidfd::number(&pidfd) {
        Ok(number) if number.is_none() || number == message.sender => Ok((pid, Some(pidfd))),
        Ok(_) => {
            let message = "it answered with the pidfd of another process";
            Err(Error::new(ErrorKind::Protocol, what.to_owned(), message))
        }
        // Then there is none to be used.
        Err(_) => Ok((pid, None)),
    }
}
