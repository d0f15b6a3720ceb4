//! Why something that a system may have is not used.

use rustix::io::Errno;
use std::io;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// This build does not ask for it: `--cfg anyfork_no_...`, by which its fallback is tested.
    SwitchedOff,
    /// The kernel is older.
    Absent,
    /// The kernel does not have it (ENOSYS, in the main), or a filter denies it (EPERM), or a resource is used up.
    Refused(Errno),
}

impl From<Errno> for Lack {
    fn from(errno: Errno) -> Self {
        Lack::Refused(errno)
    }
}

impl From<io::Error> for Lack {
    fn from(error: io::Error) -> Self {
        Lack::Refused(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

/// Nothing if the system has it.
pub(crate) type Availability = Result<(), Lack>;

pub(crate) fn present(is_there: bool) -> Availability {
    if is_there { Ok(()) } else { Err(Lack::Absent) }
}

/// What a call says that was made in a way that cannot succeed: `expected`, if it may be used.
pub(crate) fn refused_with(expected: Errno, error: impl Into<Lack>) -> Availability {
    match error.into() {
        Lack::Refused(errno) if errno == expected => Ok(()),
        lack => Err(lack),
    }
}
