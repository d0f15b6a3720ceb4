//! memfd_create(2) with seals: large arguments, passed without a copy and mapped read-only.
//!
//! # Safety
//! A mapping is sound as long as nobody changes or shortens the file; the seals make that impossible, and they are
//! checked before mapping.
#![allow(unsafe_code)]

use super::stdio::above_stdio;
use memmap2::{Mmap, MmapOptions};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

const SEALS: SealFlags = SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// A sealed memory file that holds `octets`.
pub(crate) fn sealed(octets: &[u8]) -> io::Result<OwnedFd> {
    let mut file = create(c"anyfork argument", MemfdFlags::ALLOW_SEALING)?;
    file.write_all(octets)?;
    rustix::fs::fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// An empty memory file of that many bytes, to be shared.
pub(crate) fn empty(bytes: u64) -> io::Result<File> {
    let file = create(c"anyfork", MemfdFlags::empty())?;
    file.set_len(bytes)?;
    Ok(file)
}

/// A memory file that is never executed: where `vm.memfd_noexec` is 2, no other is allowed. Kernels before Linux 6.3 do not know the word.
fn create(name: &CStr, flags: MemfdFlags) -> io::Result<File> {
    let flags = flags | MemfdFlags::CLOEXEC;
    let created = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags),
        created => created,
    };
    Ok(File::from(above_stdio(created?)))
}

/// Maps a sealed memory file. Anything else, a file without the seals included, is refused.
pub(crate) fn map(fd: impl AsFd) -> io::Result<Mmap> {
    let fd = fd.as_fd();
    if !rustix::fs::fcntl_get_seals(fd)?.contains(SEALS) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a sealed memory file"));
    }
    let length = rustix::fs::fstat(fd)?.st_size as usize;
    // SAFETY: the seals just seen forbid writing and shrinking for good.
    unsafe { MmapOptions::new().len(length).map(&File::from(fd.try_clone_to_owned()?)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_come_back_from_a_sealed_file_and_cannot_be_changed() {
        let fd = sealed(b"a\0b").unwrap();
        assert_eq!(&*map(&fd).unwrap(), b"a\0b");
        assert!(File::from(fd).write_all(b"x").is_err());
    }

    #[test]
    fn a_file_without_seals_is_refused() {
        let fd = rustix::fs::memfd_create(c"unsealed", MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(map(fd).is_err());
        assert!(map(File::open("/proc/self/exe").unwrap()).is_err());
    }
}
