//! The client's side of processes that a template forks in advance: those that wait, and what has become of those that were taken.

use super::{Fate, Incoming, Line};
use crate::error::{Error, ErrorKind, Result};
use crate::spares::Spares;
use crate::sys::socket;
use crate::wire::{Order, Role};
use std::collections::{BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A process that was forked in advance, and the client's end of its socket.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) id: u64,
    pub(crate) pid: u32,
    pub(crate) socket: OwnedFd,
}

#[derive(Debug, Default)]
pub(super) struct Pool {
    wanted: Spares,
    /// The last one is taken first: its memory is more likely to be in the caches.
    waiting: Vec<Spare>,
    /// Asked for, not here yet. Each comes in its turn.
    ordered: BTreeSet<u64>,
    /// Those that were taken and live, and what they have become: the template learns it when it is to end, which is soon enough.
    taken: HashMap<u64, Role>,
    /// One could not be had. The template is left in peace for a while.
    failed: Option<Instant>,
}

/// How long a template is not asked for spares after one could not be had.
const REST: Duration = Duration::from_millis(100);

impl Pool {
    /// How many are to be ordered, if few are left.
    fn missing(&mut self) -> usize {
        if self.failed.is_some_and(|at| at.elapsed() < REST) {
            return 0;
        }
        self.failed = None;
        if self.here() <= self.wanted.min() { self.missing_to_most() } else { 0 }
    }

    fn missing_to_most(&mut self) -> usize {
        self.wanted.max().saturating_sub(self.here())
    }

    fn here(&self) -> usize {
        self.waiting.len() + self.ordered.len()
    }

    /// One has come. Says whether it is still wanted, and waits now.
    pub(super) fn came(&mut self, spare: Spare) -> bool {
        let is_wanted = self.ordered.remove(&spare.id) && self.waiting.len() < self.wanted.max();
        if is_wanted {
            self.waiting.push(spare);
        }
        is_wanted
    }

    /// Notes what has become of one that was taken. `false`: it is none of those.
    pub(super) fn became(&mut self, id: u64, role: Role) -> bool {
        self.taken.get_mut(&id).map(|taken| *taken = role).is_some()
    }

    /// One that was ordered could not be forked, or not be received.
    pub(super) fn failed(&mut self, id: u64) {
        if self.ordered.remove(&id) {
            self.failed = Some(Instant::now());
        }
    }

    /// If more were ordered than are wanted now: from which id on none is.
    fn take_back(&mut self) -> Option<u64> {
        let first = self.ordered.first().copied().filter(|_| self.here() > self.wanted.max());
        if first.is_some() {
            self.ordered.clear();
        }
        first
    }

    pub(super) fn ended(&mut self, id: u64) {
        if !self.taken.is_empty() {
            self.taken.remove(&id);
        }
    }
}

impl Line {
    /// Has processes forked in advance from now on.
    pub(crate) fn set_spares(&self, wanted: Spares) -> Result<()> {
        if self.is_foreign() {
            return Err(Error::foreign("spares"));
        }
        let _in_turn = self.in_turn();
        // Those that wait may be enough for no order to be sent, whose failure would show that it is gone. And those that have come may wait.
        if !self.is_up() {
            return Err(Error::new(ErrorKind::TemplateGone, "spares", "the template is gone"));
        }
        let (too_many, unwanted) = {
            let mut incoming = self.incoming();
            incoming.pool.wanted = wanted;
            let keep = wanted.max().min(incoming.pool.waiting.len());
            let too_many = incoming.pool.waiting.split_off(keep);
            (too_many, incoming.pool.take_back())
        };
        // Their sockets are closed, and they end.
        too_many.iter().for_each(|spare| self.forget(spare.id));
        self.has_pool.store(true, Ordering::Relaxed);
        if let Some(first) = unwanted {
            let order = Order::Spares { first, count: 0, delay_us: 0 };
            self.send(&order).map_err(|error| self.not_sent(error))?;
        }
        self.order_missing(Pool::missing_to_most).map_err(|error| self.not_sent(error))
    }

    /// One that waits, if there is one.
    pub(crate) fn take_spare(&self) -> Option<Spare> {
        if !self.has_pool.load(Ordering::Relaxed) {
            return None;
        }
        if self.incoming().pool.waiting.is_empty() {
            self.take_reports();
        }
        loop {
            let mut incoming = self.incoming();
            let spare = incoming.pool.waiting.pop()?;
            let lives = incoming.fates.get(&spare.id) == Some(&Fate::Running) && !socket::is_abandoned(&spare.socket);
            if lives {
                incoming.pool.taken.insert(spare.id, Role::Preparing);
                return Some(spare);
            }
            incoming.fates.remove(&spare.id);
        }
    }

    /// Orders more if few are left.
    pub(crate) fn refill(&self) {
        if self.has_pool.load(Ordering::Relaxed) {
            let _in_turn = self.in_turn();
            // An error means that the template is gone, which the next start shows.
            let _ = self.order_missing(Pool::missing);
        }
    }

    /// What is ordered goes to the template in this order, as an order may take back all from an id on.
    fn in_turn(&self) -> MutexGuard<'_, ()> {
        self.spares_in_turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order_missing(&self, missing: impl Fn(&mut Pool) -> usize) -> std::io::Result<()> {
        let order = {
            let mut incoming = self.incoming();
            let missing = missing(&mut incoming.pool);
            if missing == 0 {
                return Ok(());
            }
            let first = self.next_id.fetch_add(missing as u64, Ordering::Relaxed);
            incoming.pool.ordered.extend(first..first + missing as u64);
            Order::Spares { first, count: missing as u32, delay_us: incoming.pool.wanted.delay_us() }
        };
        let sent = self.send(&order);
        // Reports of those that have ended fill the socket otherwise.
        self.take_reports();
        sent
    }

    /// Before the template ends or goes to somebody else: those that wait end, and it learns of those that do not.
    pub(super) fn settle_pool(&self) {
        if !self.has_pool.swap(false, Ordering::Relaxed) {
            return;
        }
        let pool = std::mem::take(&mut self.incoming().pool);
        for (id, role) in pool.taken {
            self.mark(id, role);
        }
        pool.waiting.iter().for_each(|spare| self.forget(spare.id));
    }

    /// The numbers of those that wait, as far as is known. Those that have ended are forgotten.
    pub(crate) fn waiting_spares(&self) -> Vec<u32> {
        if self.is_foreign() {
            return Vec::new();
        }
        self.take_reports();
        let mut incoming = self.incoming();
        let Incoming { pool, fates, closed, .. } = &mut *incoming;
        pool.waiting.retain(|spare| {
            let lives = !*closed && fates.get(&spare.id) == Some(&Fate::Running);
            if !lives {
                fates.remove(&spare.id);
            }
            lives
        });
        pool.waiting.iter().map(|spare| spare.pid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Dialect, Filled, Inbox};
    use crate::sys::socket::Blocking;
    use std::os::fd::AsFd;

    /// Those that a template has to fork, when it has read all orders.
    fn ordered(socket: impl AsFd) -> BTreeSet<u64> {
        let (mut ids, mut inbox) = (BTreeSet::new(), Inbox::default());
        while inbox.fill(&socket, Blocking::Yes).unwrap() != Filled::End {
            while let Some(message) = inbox.next().unwrap() {
                match Order::parse(message.frame.get()) {
                    Ok(Order::Spares { first, count: 0, .. }) => ids.retain(|id| *id < first),
                    Ok(Order::Spares { first, count, .. }) => ids.extend(first..first + u64::from(count)),
                    order => panic!("{order:?}"),
                }
            }
        }
        ids
    }

    #[test]
    fn whoever_asks_for_spares_the_template_is_told_what_is_waited_for() {
        let (ours, theirs) = socket::pair().unwrap();
        let line = Line::new(ours, Dialect::Frames, None, false);
        std::thread::scope(|scope| {
            let told = scope.spawn(|| ordered(&theirs));
            let threads = [2, 16, 5].map(|most| {
                let line = &line;
                scope.spawn(move || (0..10_000).for_each(|_| line.set_spares(Spares::new(1..=most)).unwrap()))
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            while !line.outgoing().is_empty() {
                line.collect();
            }
            socket::shut(&line);
            assert_eq!(told.join().unwrap(), line.incoming().pool.ordered);
        });
    }

    #[test]
    fn a_spare_that_nobody_has_ordered_is_none() {
        let (ours, theirs) = socket::pair().unwrap();
        let mut pool = Pool { wanted: Spares::new(0..=2), ..Pool::default() };
        assert!(!pool.came(Spare { id: u64::MAX, pid: 1, socket: ours }));
        pool.ordered.extend([7, 8]);
        pool.failed(9);
        assert!(pool.failed.is_none(), "it is that of a start which was given up");
        assert!(pool.came(Spare { id: 7, pid: 1, socket: theirs }));
        pool.wanted = Spares::new(0..=1);
        assert_eq!((pool.take_back(), pool.take_back()), (Some(8), None));
    }
}
