//! What an errno says of when to try again.

use rustix::io::Errno;
use std::io;

/// Whether this process, the system or the kernel's memory has no room now, so that nothing is said of what was asked for.
pub(crate) fn lacks_room(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}
