//! What all values that can be waited for have in common.

use crate::ending::{Ended, Ending};
use crate::error::Result;
use crate::exited::Exited;
use crate::starting::{Started, Starting};
use crate::status::ExitStatus;
use crate::tree::Killing;
use std::os::fd::AsFd;

/// A value that will have a result: a [`Starting`], an [`Exited`], an [`Ending`] or a [`Killing`]. For code that brings any of them into an event loop.
///
/// Ask with [`try_finish`](Pending::try_finish); while that returns `None`, wait until the descriptor ([`AsFd`]) is readable, and ask again.
///
/// - The descriptor is made when it is first asked for, is the value's own, and stays the same until the value is dropped. It tells of the deadline, too.
/// - It may be watched level-triggered or edge-triggered, and registered before or after the first question.
/// - Dropping the value closes it, which takes it out of an epoll(7) set. A duplicate (dup(2)) tells the same, and must be taken out by yourself.
///
/// The same methods are there without this trait. Nobody else can implement it.
///
/// ```
/// use anyfork::Pending;
/// use rustix::event::{PollFd, PollFlags, poll};
///
/// /// The results of several at once, with poll(2).
/// fn all<P: Pending>(mut pending: Vec<P>) -> anyfork::Result<Vec<P::Value>> {
///     let mut results = Vec::new();
///     while !pending.is_empty() {
///         let mut polls: Vec<_> = pending.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect();
///         poll(&mut polls, None).unwrap();
///         let ready: Vec<bool> = polls.iter().map(|poll| !poll.revents().is_empty()).collect();
///         for index in (0..ready.len()).rev().filter(|index| ready[*index]) {
///             if let Some(result) = pending[index].try_finish()? {
///                 results.push(result);
///                 pending.swap_remove(index);
///             }
///         }
///     }
///     Ok(results)
/// }
///
/// #[anyfork::entry]
/// fn nap() {}
///
/// # fn main() -> anyfork::Result<()> {
/// let template = anyfork::Process::new().template()?;
/// let workers = all((0..3).map(|_| template.fork().start(nap)).collect())?;
/// let statuses = all(workers.iter().map(|worker| worker.exited()).collect())?;
/// assert!(statuses.iter().all(|status| status.success()));
/// # Ok(())
/// # }
/// ```
pub trait Pending: AsFd + sealed::Sealed {
    /// What the result is.
    type Value;

    /// The result, if it is there. Never blocks.
    ///
    /// # Errors
    /// As the method of the same name of the type.
    fn try_finish(&mut self) -> Result<Option<Self::Value>>;

    /// Waits for the result. Blocks.
    ///
    /// # Errors
    /// As [`try_finish`](Pending::try_finish).
    fn wait(self) -> Result<Self::Value>
    where
        Self: Sized;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! pending {
    ($([$($generics:tt)*] $type:ty => $output:ty;)+) => {$(
        impl<$($generics)*> sealed::Sealed for $type {}

        impl<$($generics)*> Pending for $type {
            type Value = $output;

            fn try_finish(&mut self) -> Result<Option<$output>> {
                <$type>::try_finish(self)
            }

            fn wait(self) -> Result<$output> {
                <$type>::wait(self)
            }
        }
    )+};
}

pending! {
    [T: Started] Starting<T> => T;
    [] Exited => ExitStatus;
    [T: Ended] Ending<T> => T;
    [] Killing => ();
}
