//! How a process may have ended: the model of one process.

use super::Wrong;
use anyfork::{Error, ErrorKind, ExitStatus};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Code(i32),
    Signal(i32),
}

/// What has been done to a process that would end it. Of several it is not known which was first.
#[derive(Debug, Default)]
pub(super) struct Ending {
    causes: Vec<End>,
    /// It is stopped: these come when it goes on.
    waiting: Vec<End>,
    is_stopped: bool,
    /// Nobody may be left who knows.
    may_be_lost: bool,
    /// What was answered once. It must not change.
    answered: Option<ExitStatus>,
}

impl Ending {
    pub(super) fn cause(&mut self, end: End) {
        match (self.is_stopped, end) {
            (true, End::Signal(libc::SIGKILL)) => {
                self.waiting.clear();
                self.is_stopped = false;
                self.causes.push(end);
            }
            (true, _) => self.waiting.push(end),
            (false, _) => self.causes.push(end),
        }
    }

    /// Whether nothing has been done to it that would end it.
    pub(super) fn runs(&self) -> bool {
        self.causes.is_empty()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
    }

    pub(super) fn go_on(&mut self) {
        self.is_stopped = false;
        self.causes.append(&mut self.waiting);
    }

    /// The kernel forgets it when the last one ends who could tell.
    pub(super) fn may_be_lost(&mut self) {
        self.may_be_lost = !anyfork_tests::keeps_statuses();
    }

    /// Compares an answer. `told`: whether the end must be known by now, if there is one.
    pub(super) fn check(&mut self, answer: Result<Option<ExitStatus>, Error>, told: bool) -> Result<(), Wrong> {
        let status = match answer {
            Err(error) if error.kind() == ErrorKind::Lost && self.may_be_lost && !self.runs() => return Ok(()),
            Err(error) => return Err(format!("the status is an error: {error}")),
            Ok(None) if self.answered.is_some() => return Err("a status that was known is not known any more".into()),
            Ok(None) if told && !self.runs() => {
                return Err(format!("no status, though it has ended: {:?}", self.causes));
            }
            Ok(None) => return Ok(()),
            Ok(Some(status)) => status,
        };
        if self.answered.is_some_and(|answered| answered != status) {
            return Err(format!("first {:?}, now {status}", self.answered));
        }
        let end = match (status.code(), status.signal()) {
            (Some(code), None) => End::Code(code),
            (None, Some(signal)) => End::Signal(signal),
            both => return Err(format!("code and signal {both:?}")),
        };
        if !self.causes.contains(&end) {
            return Err(format!("{status}, which should be one of {:?}", self.causes));
        }
        self.answered = Some(status);
        Ok(())
    }
}
