//! Which process made a handle: in a fork of that process the handle is inert.

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Maker(u32);

impl Maker {
    /// The calling process.
    pub(crate) fn this() -> Self {
        Maker(std::process::id())
    }

    pub(crate) fn is_foreign(self) -> bool {
        self.0 != std::process::id()
    }

    /// An error for `step` in any other process.
    pub(crate) fn check(self, step: &'static str) -> Result<()> {
        if self.is_foreign() { Err(Error::foreign(step)) } else { Ok(()) }
    }
}
