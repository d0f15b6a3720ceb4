//! What a template must know of its children.

use super::frame::{Malformed, Parsed};

/// What a template must know of a child to end it in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Goes on when its owner or its template ends.
    Free,
    /// Ends with its owner.
    Bound,
    /// Still collects orders: ends with its owner, as nobody else could give it any.
    Preparing,
    /// Became a template itself.
    Template,
    /// Gets a signal of its own choice from the kernel when its template ends, so its template stays as long as it.
    Watched,
    /// Was forked in advance, and nobody has said yet what it has become. The kernel ends it with its template as long as it waits.
    Spare,
}

impl Role {
    pub(super) fn code(self) -> u8 {
        match self {
            Role::Free => 0,
            Role::Bound => 1,
            Role::Preparing => 2,
            Role::Template => 3,
            Role::Watched => 4,
            // Never travels: a template knows by itself which ones it has forked in advance.
            Role::Spare => 5,
        }
    }

    pub(super) fn parse(code: u8) -> Parsed<Self> {
        Ok(match code {
            0 => Role::Free,
            1 => Role::Bound,
            2 => Role::Preparing,
            3 => Role::Template,
            4 => Role::Watched,
            _ => return Err(Malformed("an unknown role")),
        })
    }
}
