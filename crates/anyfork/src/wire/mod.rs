//! The protocol as pure bytes: no system calls, no descriptors. `PROTOCOL.md` is its specification.

mod arguments;
mod frame;
mod order;
mod program;
mod reply;
mod role;
pub(crate) mod serve;

pub(crate) use arguments::CallArg;
#[cfg(any(fuzzing, test))]
pub(crate) use frame::append;
pub(crate) use frame::{Frame, HEADER, Malformed, Parsed, length, split};
pub(crate) use order::{Hello, Order};
pub(crate) use program::{Program, Step, Strings};
#[cfg(test)]
pub(crate) use reply::KINDS;
pub(crate) use reply::{ExitRecord, FAILURE_PARTS_AT, Failure, FailureKind, MAX_TEXT, Reply, started, system_failure};
pub(crate) use role::Role;

/// The version both ends must speak; any change of a frame's meaning raises it.
pub(crate) const VERSION: u16 = 5;

/// The length of the shortest replies, *started* and *ready*, header included: no reply is shorter.
pub(crate) const SHORTEST_REPLY: usize = HEADER + 4;

/// The bytes of a few frames. Most starts fit into it without an allocation, which in a fork would copy pages of its template.
pub(crate) type Bytes = smallvec::SmallVec<[u8; 256]>;

/// An argument longer than this travels as a sealed memfd instead of inside a frame, in bytes.
pub(crate) const INLINE_ARGUMENT: usize = 64 * 1024;
