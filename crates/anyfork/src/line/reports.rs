//! What comes on a template's socket: reports, taken in for everybody by whoever asks first.

use super::pool::{Pool, Spare};
use super::{Identity, Line};
use crate::channel::{Descriptors, Filled, Inbox};
use crate::error::{Error, ErrorKind};
use crate::status::ExitStatus;
use crate::sys::receive::Along;
use crate::sys::socket::Blocking;
use crate::wire::Reply;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Statuses kept of adopted orphans that nobody has asked for yet. The oldest go first.
const ORPHANS: usize = 4096;

/// What became of a fork order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Running,
    Ended(ExitStatus),
    /// The template could not even receive its socket: errno.
    NotForked(i32),
}

/// So often is read for one question, a few reports each time: more than a template has kept that does what it should. One that sends without end holds nobody up for long.
const MOST_READ: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) inbox: Inbox,
    pub(super) fates: HashMap<u64, Fate>,
    pub(super) orphans: VecDeque<(u32, ExitStatus)>,
    pub(super) pool: Pool,
    /// Why it did not become a template.
    pub(super) failure: Option<Error>,
    pub(super) closed: bool,
    /// Whether it has become a template.
    pub(super) is_ready: bool,
}

impl Default for Incoming {
    fn default() -> Self {
        Incoming {
            inbox: Inbox::with(Along::One),
            fates: HashMap::new(),
            orphans: VecDeque::new(),
            pool: Pool::default(),
            failure: None,
            closed: false,
            is_ready: false,
        }
    }
}

impl Line {
    pub(super) fn take_reports(&self) {
        self.read(MOST_READ);
    }

    fn read(&self, most: usize) {
        let mut incoming = self.incoming();
        for _ in 0..most {
            if incoming.closed {
                break;
            }
            match incoming.inbox.fill(&self.socket, Blocking::No) {
                Ok(Filled::Some) => {}
                Ok(Filled::Nothing) => break,
                Ok(Filled::End) | Err(_) => incoming.closed = true,
            }
            while let Some(message) = incoming.inbox.next().transpose() {
                let Ok(message) = message else {
                    incoming.closed = true;
                    break;
                };
                match Reply::parse(message.frame.get()) {
                    Ok(reply) => self.take_in(&mut incoming, reply, message.descriptors),
                    // Not a template: nothing it says can be trusted.
                    Err(_) => incoming.closed = true,
                }
            }
        }
        if incoming.closed {
            self.wait_for_child();
        }
    }

    fn take_in(&self, incoming: &mut Incoming, reply: Reply, mut descriptors: Descriptors) {
        match reply {
            Reply::Ready { pid } => {
                incoming.is_ready = true;
                let _ = self.template.set(Identity { pid, pidfd: descriptors.pop().map(Arc::new) });
            }
            Reply::Exited(record) => {
                let status = ExitStatus::of_record(&record);
                incoming.pool.ended(record.id);
                match incoming.fates.get_mut(&record.id) {
                    // An end is told once.
                    Some(Fate::Ended(_)) => {}
                    Some(fate) => *fate = Fate::Ended(status),
                    None if record.id == 0 => {
                        incoming.orphans.truncate(ORPHANS - 1);
                        incoming.orphans.push_front((record.pid, status));
                    }
                    None => {}
                }
            }
            Reply::NotForked { id, errno } => match incoming.fates.get_mut(&id) {
                Some(fate) => *fate = Fate::NotForked(errno),
                None => incoming.pool.failed(id),
            },
            Reply::Spare { id, pid } => match descriptors.pop() {
                Some(socket) => {
                    if incoming.pool.came(Spare { id, pid, socket }) {
                        incoming.fates.insert(id, Fate::Running);
                    }
                }
                // This process cannot have its socket, and so it ends.
                None => incoming.pool.failed(id),
            },
            Reply::Failed(failure) => incoming.failure = Some(Error::reported(failure)),
            Reply::Started { .. } => {}
        }
    }

    /// From now on the fate of this order is kept. `false`: nobody is there to follow it.
    pub(super) fn expect(&self, id: u64) -> bool {
        let mut incoming = self.incoming();
        if !incoming.closed {
            incoming.fates.insert(id, Fate::Running);
        }
        !incoming.closed
    }

    /// Looks up what became of an order, as far as it has been taken in.
    pub(crate) fn fate(&self, id: u64) -> Fate {
        self.incoming().fates.get(&id).copied().unwrap_or(Fate::Running)
    }

    /// How a process ended, as far as that has been taken in.
    pub(crate) fn status(&self, id: u64) -> Option<ExitStatus> {
        match self.fate(id) {
            Fate::Ended(status) => Some(status),
            Fate::Running | Fate::NotForked(_) => None,
        }
    }

    /// Nobody will ask for the fate of this order any more.
    pub(crate) fn forget(&self, id: u64) {
        self.incoming().fates.remove(&id);
    }

    /// Why there is no template at the other end, if it has said so. Told once.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.incoming().failure.take()
    }

    pub(super) fn gone(&self) -> Error {
        Error::new(ErrorKind::TemplateGone, "fork", self.epitaph())
    }

    /// What there is to say of one that is gone.
    pub(crate) fn epitaph(&self) -> String {
        if !self.is_child || self.given_away.load(Ordering::Relaxed) || self.incoming().is_ready {
            return "the template is gone".into();
        }
        self.wait_for_child();
        let status = self.ended.get().map(|status| format!(": {status}")).unwrap_or_default();
        let hint = if cfg!(feature = "auto") { "" } else { " (is anyfork::init() the first line of main?)" };
        format!("the default template ended before it was ready{status}{hint}")
    }

    /// The status of an orphan that the template adopted.
    pub(crate) fn take_orphan(&self, pid: u32) -> Option<ExitStatus> {
        let orphans = &mut self.incoming().orphans;
        let index = orphans.iter().position(|(orphan, _)| *orphan == pid)?;
        orphans.remove(index).map(|(_, status)| status)
    }

    pub(super) fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Dialect, Outbox};
    use crate::launched::Launched;
    use crate::line::New;
    use crate::options::Options;
    use crate::queue::Place;
    use crate::starting::Starting;
    use crate::sys::socket;
    use crate::wire::{Bytes, ExitRecord, Order, Role};
    use crate::worker::Worker;
    use rustix::net::{AddressFamily, SocketType};

    /// The process may be there already, and busy with its preparation.
    #[test]
    fn a_start_whose_orders_cannot_be_sent_is_given_up() {
        let (ours, theirs) = socket::pair().unwrap();
        let line = Arc::new(Line::new(ours, Dialect::Frames, None, false));
        let (id, _) = line.fork(Role::Free, New::Fork, Descriptors::new(), Outbox::default()).unwrap();
        let connected_to_nobody = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        let mut orders = Outbox::default();
        orders.push(&Order::Template, []);
        let launched = Launched::by(Arc::clone(&line), id, Place::Ordered((connected_to_nobody, orders)));
        let mut starting = Starting::<Worker>::new(Ok(launched), (), Options::new(Role::Free), "start".into());
        assert_eq!(starting.try_finish().unwrap_err().raw_os_error(), Some(libc::ENOTCONN));
        assert!(line.incoming().fates.is_empty());
        let mut orders = Inbox::default();
        assert_eq!(orders.fill(&theirs, Blocking::No).unwrap(), Filled::Some);
        let fork = orders.next().unwrap().expect("an order to fork");
        assert_eq!(Order::parse(fork.frame.get()).unwrap(), Order::Fork { id, role: Role::Free });
        // A descriptor ends what one call receives.
        assert_eq!(orders.fill(&theirs, Blocking::No).unwrap(), Filled::Some);
        let kill = orders.next().unwrap().expect("an order to kill it");
        assert_eq!(Order::parse(kill.frame.get()).unwrap(), Order::Signal { id, signal: libc::SIGKILL as u32 });
    }

    /// Whoever sends as fast as it is read would never be at an end otherwise.
    #[test]
    fn no_more_is_read_at_a_time_than_may_be() {
        let (ours, theirs) = socket::pair().unwrap();
        let mut reports = Bytes::new();
        (1..=100).for_each(|pid| Reply::Exited(ExitRecord { pid, ..ExitRecord::default() }).append(&mut reports, 0));
        assert_eq!(socket::send(&theirs, &reports, &[], Blocking::No).unwrap(), reports.len());
        let line = Line::new(ours, Dialect::Frames, None, false);
        for read in 1..=4 {
            line.read(3);
            assert_eq!(line.incoming().orphans.len(), 12 * read);
        }
        line.take_reports();
        assert_eq!(line.incoming().orphans.len(), 100);
    }
}
