//! Memory and threads that make the main program as big as it is to be.

use crate::plan::SMALL;
use crate::system::kib;
use memmap2::{Advice, MmapMut, MmapOptions};
use std::sync::mpsc::{Sender, channel};

pub(super) const PAGE: usize = 4096;
pub(crate) const THREADS: usize = 64;

/// As much as is missing to so many megabytes resident: private, in small pages, each touched.
pub(super) fn fill_up_to(mib: u64) -> Option<MmapMut> {
    let missing = (mib << 20).saturating_sub(kib("/proc/self/status", "VmRSS:") << 10);
    (missing > 0).then(|| touched(missing as usize, Advice::NoHugePage))
}

/// A big program has threads as well. They wait until what is returned is dropped.
pub(super) fn threads(mib: u64) -> Vec<Sender<()>> {
    let threads = if mib > SMALL { THREADS } else { 0 };
    let start = |_| {
        let (sender, receiver) = channel();
        std::thread::spawn(move || receiver.recv().unwrap_or(()));
        sender
    };
    (0..threads).map(start).collect()
}

/// So much memory, in the pages that are asked for.
pub(super) fn touched(bytes: usize, pages: Advice) -> MmapMut {
    let mut memory = MmapOptions::new().len(bytes).map_anon().expect("memory");
    // A kernel without huge pages refuses, and has small ones anyway.
    let _ = memory.advise(pages);
    for page in memory.chunks_mut(PAGE) {
        page[0] = 1;
    }
    memory
}
