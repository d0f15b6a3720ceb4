//! Awaiting. Everything that is pending is a descriptor and a question that never blocks; all that a runtime's adapter does is to wake a task when the
//! descriptor is readable, or the deadline has come.

#[cfg(any(feature = "smol", feature = "tokio"))]
mod future;
#[cfg(feature = "smol")]
pub mod smol;
#[cfg(feature = "tokio")]
pub mod tokio;

use crate::error::Result;
#[cfg(any(feature = "smol", feature = "tokio"))]
use crate::error::{Error, ErrorKind};
use crate::pending::Pending;
use crate::watch::Watch;
#[cfg(any(feature = "smol", feature = "tokio"))]
pub(crate) use future::Link;
use std::sync::Arc;
use std::time::Instant;

/// What an adapter needs of a pending value.
#[cfg_attr(not(any(feature = "smol", feature = "tokio")), allow(dead_code, reason = "nobody can await it then"))]
pub(crate) trait Awaited: Pending {
    /// Readable when `try_finish` has something to do, but for the deadline.
    fn watch(&self) -> Result<&Arc<Watch>>;

    fn deadline(&self) -> Option<Instant>;

    /// Its place in the event loop in which it is awaited.
    fn link(&mut self) -> &mut Link;
}

/// A pipe of a program that is to be used in an event loop.
#[cfg(any(feature = "smol", feature = "tokio"))]
fn piped<P>(pipe: Option<P>, name: &'static str) -> Result<P> {
    pipe.ok_or_else(|| Error::new(ErrorKind::InvalidInput, name, "it is not piped, or has been taken"))
}

/// No event loop is known.
#[cfg(not(any(feature = "smol", feature = "tokio")))]
#[derive(Debug, Default)]
pub(crate) struct Link {}
