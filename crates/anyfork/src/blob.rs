//! The octets of an argument, copied or mapped.

use crate::sys::memfd;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::OwnedFd;

/// The octets of an argument, without a copy: a large one (above 64 KiB) stays in the sealed memory file in which it
/// travelled, and is mapped read-only. As a parameter of an entry it takes an argument of any octets.
///
/// ```
/// #[anyfork::entry]
/// fn check(data: anyfork::Blob, sum: u64) {
///     assert_eq!(data.iter().map(|byte| u64::from(*byte)).sum::<u64>(), sum);
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// let data = vec![7; 1 << 20];
/// assert!(anyfork::Process::new().arg(data).arg(7 << 20).run(check)?.wait()?.success());
/// # Ok(())
/// # }
/// ```
pub struct Blob(Octets);

enum Octets {
    Owned(Vec<u8>),
    Mapped(memmap2::Mmap),
}

impl Blob {
    pub(crate) fn owned(octets: Vec<u8>) -> Self {
        Blob(Octets::Owned(octets))
    }

    /// Maps a sealed memory file; its descriptor is closed, the mapping stays.
    pub(crate) fn sealed(file: OwnedFd) -> io::Result<Self> {
        Ok(Blob(Octets::Mapped(memfd::map(file)?)))
    }

    /// Takes the octets out of the memory of this process.
    pub(crate) fn wipe(&mut self) {
        match &mut self.0 {
            Octets::Owned(octets) => {
                octets.fill(0);
                // So that it is done although nobody reads them again.
                std::hint::black_box(octets);
            }
            Octets::Mapped(_) => self.0 = Octets::Owned(Vec::new()),
        }
    }

    /// The octets as a vector: without a copy for a small argument, with one for a mapped argument.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Octets::Owned(octets) => octets,
            Octets::Mapped(map) => map.to_vec(),
        }
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Octets::Owned(octets) => octets,
            Octets::Mapped(map) => map,
        }
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if matches!(self.0, Octets::Owned(_)) { "owned" } else { "mapped" };
        write!(f, "Blob({} bytes, {how})", self.len())
    }
}
