//! Templates that took longer than the drop of their handle could wait, to take what they had been told or to end: that is seen to when anyfork is used next.

use crate::maker::Maker;
use crate::queue::Queue;
use crate::sys::pidfd::{self, Life};
use crate::sys::wait::{self, Which};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) enum Late {
    /// A child of this program that may not have ended yet, or may not have been waited for: its pidfd.
    Child(Arc<OwnedFd>),
    /// What its socket did not take. Until then that stays open: at its end the template would kill those of which it does not know what they have become.
    Untold(Maker, Arc<OwnedFd>, Queue),
}

static LATE: Mutex<Vec<Late>> = Mutex::new(Vec::new());

/// Whether there are some, which is seldom.
static ARE_SOME: AtomicBool = AtomicBool::new(false);

pub(super) fn keep(late: Late) {
    LATE.lock().unwrap_or_else(PoisonError::into_inner).push(late);
    ARE_SOME.store(true, Ordering::Relaxed);
}

/// Does what can be done by now. Never blocks.
pub(super) fn go_on() {
    if !ARE_SOME.load(Ordering::Relaxed) {
        return;
    }
    let mut late = LATE.lock().unwrap_or_else(PoisonError::into_inner);
    late.retain_mut(|late| !late.is_over());
    ARE_SOME.store(!late.is_empty(), Ordering::Relaxed);
}

impl Late {
    /// (In a fork of the program they are nobody's children, and are forgotten as they end.)
    fn is_over(&mut self) -> bool {
        match self {
            Late::Child(pidfd) => {
                let runs = pidfd::life(&*pidfd).is_ok_and(|life| life == Life::Runs);
                if !runs {
                    wait::reap(Which::Pidfd(pidfd.as_fd()));
                }
                !runs
            }
            // An error means that the template is gone.
            Late::Untold(maker, socket, queue) => {
                maker.is_foreign() || queue.flush(socket).is_err() || queue.is_empty()
            }
        }
    }
}
