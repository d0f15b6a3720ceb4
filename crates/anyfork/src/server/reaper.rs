//! The children of a template: who they are, and how they ended.
//!
//! Asking the kernel for *any* child that has ended costs time in proportion to all that live, so with many of them that is
//! done seldom: SIGCHLD names one child, and that one is asked for. Signals of several children may merge into one, so
//! a search of all follows, the later the longer the last one took.

use crate::mutant::{Mutant, strikes};
use crate::sys::signal;
use crate::sys::wait::{self, Which};
use crate::wire::{ExitRecord, Role};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A table with room for so many more than there are is made smaller: each fork copies the page tables of it.
const ROOM: usize = 1024;

/// With no more children than this, all are searched at once.
const FEW: usize = 64;

/// So many ids are searched for after a fork before it is worth the time to note where each is.
const SEARCHES: usize = 16;

/// A search of all may take one part in this many of the time.
const SHARE: u32 = 20;

/// But the end of a child is searched for at the latest after so long: a search takes long when it finds thousands, or when the machine is busy, and the next one must not wait for twenty times that.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub(super) struct Child {
    /// The id of its fork order. `None` if the order came from an earlier owner, who is not told any more.
    pub(super) id: Option<u64>,
    pub(super) role: Role,
}

#[derive(Debug, Default)]
pub(super) struct Reaper {
    children: HashMap<u32, Child>,
    /// How many ids have been asked for since the last fork.
    asked: usize,
    /// Where the ids are, if many have been asked for. Children that have ended are not taken out.
    pids: Option<HashMap<u64, u32>>,
    search_at: Option<Instant>,
    search_took: Duration,
}

impl Reaper {
    pub(super) fn add(&mut self, pid: u32, child: Child) {
        (self.asked, self.pids) = (0, None);
        self.children.insert(pid, child);
    }

    /// Whether a process of this number is its child, and has not been waited for.
    pub(super) fn has(&self, pid: u32) -> bool {
        self.children.contains_key(&pid)
    }

    pub(super) fn by_id(&mut self, id: u64) -> Option<(u32, &mut Child)> {
        let of_id = |child: &Child| child.id == Some(id);
        self.asked += 1;
        if self.asked <= SEARCHES || self.children.len() <= FEW {
            return self.children.iter_mut().find(|(_, child)| of_id(child)).map(|(pid, child)| (*pid, child));
        }
        let pids = || self.children.iter().filter_map(|(pid, child)| Some((child.id?, *pid))).collect();
        let pid = *self.pids.get_or_insert_with(pids).get(&id)?;
        let child = self.children.get_mut(&pid).filter(|child| of_id(child));
        child.map(|child| (pid, child))
    }

    /// Whether a child lives to which the end of this process would send a signal. Spares have been killed by then, and are not waited for: the owner's socket may end meanwhile, which
    /// without a pidfd means that the owner has ended.
    pub(super) fn has_dependents(&self) -> bool {
        self.children.values().any(|child| matches!(child.role, Role::Bound | Role::Preparing | Role::Watched))
    }

    /// Another owner has come: the ids of the earlier one mean nothing to it.
    pub(super) fn forget_ids(&mut self) {
        for child in self.children.values_mut() {
            child.id = None;
            // Of a spare nobody will say what it has become; if it still waits, it reads the end of its orders. A template is still the earlier owner's, and ends with that.
            if matches!(child.role, Role::Spare | Role::Template) {
                child.role = Role::Free;
            }
        }
    }

    /// Kills what must not outlive the owner. The kernel does the same for those that armed their death signal.
    pub(super) fn kill_dependents(&self) {
        self.kill(|child| !matches!(child.role, Role::Free | Role::Watched | Role::Spare));
    }

    /// From this id on. The owner has said what became of those that it took: the other spares still wait, and nobody will take them.
    pub(super) fn kill_spares(&self, first: u64) {
        self.kill(|child| child.role == Role::Spare && child.id.is_some_and(|id| id >= first));
    }

    fn kill(&self, is_meant: impl Fn(&Child) -> bool) {
        for (pid, _) in self.children.iter().filter(|(_, child)| is_meant(child)) {
            let _ = signal::send_to_child(*pid, rustix::process::Signal::KILL.as_raw() as u32);
        }
    }

    /// How long the template may sleep.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.search_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Collects children that have ended. `report` gets each before its number can belong to another.
    pub(super) fn collect(&mut self, ended: Option<u32>, mut report: impl FnMut(ExitRecord)) {
        if let Some(pid) = ended {
            self.collect_one(Which::Pid(pid), &mut report);
            if self.children.len() <= FEW {
                return self.search(&mut report);
            }
            self.search_at.get_or_insert_with(|| Instant::now() + pause_after(self.search_took));
        }
        if self.search_at.is_some_and(|at| at <= Instant::now()) {
            let start = Instant::now();
            self.search(&mut report);
            self.search_took = start.elapsed();
            self.search_at = None;
        }
    }

    fn search(&mut self, report: &mut impl FnMut(ExitRecord)) {
        if !self.collect_one(Which::Any, report) {
            return;
        }
        if self.children.len() > FEW {
            // There are some: asking for each by its number costs less than searching all for each.
            let pids: Vec<u32> = self.children.keys().copied().collect();
            for pid in pids {
                self.collect_one(Which::Pid(pid), report);
            }
        }
        // Adopted orphans are in no table.
        while self.collect_one(Which::Any, report) {}
    }

    fn collect_one(&mut self, which: Which<'_>, report: &mut impl FnMut(ExitRecord)) -> bool {
        let Some(mut ended) = wait::ended(which) else { return false };
        if strikes(Mutant::Status) {
            ended.wait_status ^= 1 << 8;
        }
        match self.children.remove(&ended.pid) {
            Some(_) if strikes(Mutant::Lost) => {}
            Some(Child { id: Some(id), .. }) => report(ExitRecord { id, ..ended }),
            Some(Child { id: None, .. }) => {}
            None => report(ended),
        }
        wait::reap(Which::Pid(ended.pid));
        self.shrink();
        true
    }

    fn shrink(&mut self) {
        if self.children.capacity() > 4 * self.children.len() + ROOM {
            self.children.shrink_to(2 * self.children.len());
        }
    }
}

/// How long no search may follow one that took that long.
fn pause_after(search: Duration) -> Duration {
    search.saturating_mul(SHARE).min(PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_took_long_does_not_put_the_next_one_off_for_long() {
        assert_eq!(pause_after(Duration::from_millis(10)), Duration::from_millis(200));
        assert_eq!(pause_after(Duration::from_secs(5)), PATIENCE);
    }

    /// A process number may come again.
    #[test]
    fn each_id_is_that_of_its_child_as_long_as_that_is_there() {
        for count in [10, 10_000] {
            let mut reaper = Reaper::default();
            let child = |id| Child { id: Some(id), role: Role::Free };
            (1..=count).for_each(|pid| reaper.add(pid, child(u64::from(pid) + 7)));
            assert!((1..=count).all(|pid| reaper.by_id(u64::from(pid) + 7).unwrap().0 == pid));
            assert!(reaper.by_id(7).is_none());
            assert_eq!(reaper.pids.is_some(), count > 64);
            reaper.children.remove(&3);
            assert!(reaper.by_id(10).is_none());
            reaper.add(3, child(1 << 40));
            assert!(reaper.by_id(10).is_none());
            assert_eq!(reaper.by_id(1 << 40).unwrap().0, 3);
        }
    }

    #[test]
    fn a_table_that_was_large_becomes_small_again() {
        let mut reaper = Reaper::default();
        (1..=10_000).for_each(|pid| reaper.add(pid, Child { id: None, role: Role::Free }));
        reaper.shrink();
        assert!(reaper.has(10_000));
        reaper.children.retain(|pid, _| *pid <= 300);
        reaper.shrink();
        assert!(reaper.children.capacity() <= 2 * ROOM, "{}", reaper.children.capacity());
        assert!((1..=300).all(|pid| reaper.has(pid)));
    }
}
