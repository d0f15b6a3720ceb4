//! What an errno says: to try again later, or in another way.

use rustix::io::Errno;
use std::io;

/// Whether this process, the system or the kernel's memory has no room now, so that nothing is said of what was asked for.
pub(crate) fn lacks_room(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

/// Whether a kernel does not have the call, or a filter denies it, which containers tell by EPERM (moby#42680): then there is another way.
pub(crate) fn is_denial(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSYS | Errno::PERM))
}
