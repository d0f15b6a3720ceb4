//! Templates that are children of this program and took longer to end than the drop of their handle could wait: they are waited for when anyfork is used next.

use crate::sys::pidfd::{self, Life};
use crate::sys::wait::{self, Which};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

static LATE: Mutex<Vec<Arc<OwnedFd>>> = Mutex::new(Vec::new());

/// Whether there are some, which is seldom.
static ARE_SOME: AtomicBool = AtomicBool::new(false);

/// One that may not have ended yet, or may not have been waited for.
pub(super) fn keep(pidfd: Arc<OwnedFd>) {
    LATE.lock().unwrap_or_else(PoisonError::into_inner).push(pidfd);
    ARE_SOME.store(true, Ordering::Relaxed);
}

/// Waits for those that have ended by now. Never blocks. (In a fork of the program they are nobody's children, and are forgotten as they end.)
pub(super) fn wait_for_ended() {
    if !ARE_SOME.load(Ordering::Relaxed) {
        return;
    }
    let mut late = LATE.lock().unwrap_or_else(PoisonError::into_inner);
    late.retain(|pidfd| {
        let runs = pidfd::life(pidfd).is_ok_and(|life| life == Life::Runs);
        if !runs {
            wait::reap(Which::Pidfd(pidfd.as_fd()));
        }
        runs
    });
    ARE_SOME.store(!late.is_empty(), Ordering::Relaxed);
}
