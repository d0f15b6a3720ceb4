//! Workers and programs that do not outlive their handle.

use crate::worker::Lifeline;
use std::sync::Arc;

/// Kills a process when its handle is dropped, if that was asked for.
#[derive(Debug)]
pub(crate) struct KillOnDrop(Option<Arc<Lifeline>>);

impl KillOnDrop {
    pub(crate) fn new(kill: bool, life: &Arc<Lifeline>) -> Self {
        KillOnDrop(kill.then(|| Arc::clone(life)))
    }

    pub(crate) fn arm(&mut self, life: &Arc<Lifeline>) {
        // Not a new guard: the old one would kill when it is replaced.
        self.0 = Some(Arc::clone(life));
    }

    pub(crate) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(life) = &self.0 {
            life.kill_by_whoever_may();
        }
    }
}
