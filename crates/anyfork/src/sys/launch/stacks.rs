//! Stacks for processes that share a template's memory: mmap(2).

use memmap2::{Advice, MmapMut, MmapOptions};
use std::io;

/// Stacks for new processes. A fork of the template has none of them.
#[derive(Debug, Default)]
pub(crate) struct Stacks(Vec<MmapMut>);

impl Stacks {
    /// Bytes, of which few are touched.
    const SIZE: usize = 64 * 1024;

    /// So many are kept.
    const SPARE: usize = 16;

    pub(super) fn take(&mut self) -> io::Result<MmapMut> {
        if let Some(stack) = self.0.pop() {
            return Ok(stack);
        }
        let stack = MmapOptions::new().len(Self::SIZE).stack().map_anon()?;
        stack.advise(Advice::DontFork)?;
        Ok(stack)
    }

    pub(super) fn give(&mut self, stack: Option<MmapMut>) {
        if self.0.len() < Self::SPARE {
            self.0.extend(stack);
        }
    }

    /// In a fork of the template, where they are not mapped.
    pub(crate) fn forget(self) {
        std::mem::forget(self);
    }
}
