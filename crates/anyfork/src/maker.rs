//! Which process made a handle: in a fork of that process the handle is inert.

use crate::error::{Error, Result};
use crate::sys::incarnation;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Maker(u64);

impl Maker {
    /// The calling process.
    pub(crate) fn this() -> Self {
        Maker(incarnation::number())
    }

    pub(crate) fn is_foreign(self) -> bool {
        self != Self::this()
    }

    /// An error for `step` in any other process.
    pub(crate) fn check(self, step: &'static str) -> Result<()> {
        if self.is_foreign() { Err(Error::foreign(step)) } else { Ok(()) }
    }
}
