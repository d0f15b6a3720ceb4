//! A template: the handle, and the model of what it does.

use anyfork::{Error, ErrorKind, Template};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Runs,
    Stopped,
    Killed,
}

#[derive(Debug)]
pub(super) struct Node {
    /// `None` when it was dropped.
    pub(super) handle: Option<Template>,
    pub(super) pid: u32,
    /// The process that has forked it. `None`: the default template.
    pub(super) parent: Option<usize>,
    /// Who is asked for it when it is restarted: the same, or what has taken its place. `None`: the default template.
    pub(super) origin: Option<usize>,
    pub(super) has_recipe: bool,
    pub(super) state: State,
    /// Processes may wait that do not need it any more.
    pub(super) has_spares: bool,
}

/// What a start may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Success,
    /// The template is stopped: nothing, or its deadline, unless there was a spare, or it was done before.
    Nothing {
        has_spares: bool,
    },
    /// The template is gone since before the start.
    Failure,
    /// It is gone since then.
    Either,
}

impl Expected {
    pub(super) fn allows(self, error: &Error) -> bool {
        let is_gone = matches!(error.kind(), ErrorKind::TemplateGone | ErrorKind::ProcessGone);
        match self {
            Expected::Success => false,
            Expected::Nothing { .. } => error.kind() == ErrorKind::Deadline,
            Expected::Failure | Expected::Either => is_gone,
        }
    }

    pub(super) fn allows_success(self) -> bool {
        match self {
            Expected::Success | Expected::Either => true,
            Expected::Nothing { has_spares } => has_spares,
            Expected::Failure => false,
        }
    }
}

impl Node {
    /// Of a start that begins now.
    pub(super) fn expected(&self) -> Expected {
        match self.state {
            State::Runs => Expected::Success,
            State::Stopped => Expected::Nothing { has_spares: self.has_spares },
            State::Killed => Expected::Failure,
        }
    }
}
