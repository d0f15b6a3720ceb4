//! The futures, and their place in whichever event loop is there.

#[cfg(feature = "smol")]
use super::smol;
#[cfg(feature = "tokio")]
use super::tokio;
use super::{Awaited, Result};
use crate::ending::{Ended, Ending};
use crate::error::Error;
#[cfg(not(feature = "smol"))]
use crate::error::ErrorKind;
use crate::exited::Exited;
use crate::maker::Maker;
use crate::starting::{Started, Starting};
use crate::status::ExitStatus;
use crate::tree::Killing;
use crate::watch::Watch;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// Polls a pending value, for its `Future`.
pub(crate) fn poll<P: Awaited>(pending: &mut P, context: &mut Context<'_>) -> Poll<Result<P::Value>> {
    loop {
        if let Some(output) = pending.try_finish()? {
            *pending.link() = Link::default();
            return Poll::Ready(Ok(output));
        }
        let watch = Arc::clone(pending.watch()?);
        let deadline = pending.deadline();
        ready!(pending.link().poll_ready(watch, deadline, context))?;
    }
}

macro_rules! futures {
    ($($(#[$docs:meta])+ [$($generics:tt)*] $type:ty => $output:ty;)+) => {$(
        $(#[$docs])+
        impl<$($generics)*> Future for $type {
            type Output = Result<$output>;

            fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
                poll(self.get_mut(), context)
            }
        }
    )+};
}

futures! {
    /// Like [`wait`](Starting::wait), but lets other tasks go on meanwhile. The deadline is kept.
    ///
    /// **Cancel safe**: dropping it gives the start up, as always; polling it by reference (`&mut starting`, in `select!`) and dropping the
    /// reference loses nothing.
    [T: Started] Starting<T> => T;
    /// Like [`wait`](Exited::wait), but lets other tasks go on meanwhile. **Cancel safe**: dropping it changes nothing for the process, and
    /// its status can be asked for again.
    [] Exited => ExitStatus;
    /// Like [`wait`](Ending::wait), but lets other tasks go on meanwhile.
    [T: Ended] Ending<T> => T;
    /// Like [`wait`](Killing::wait), but lets other tasks go on meanwhile.
    [] Killing => ();
}

/// The place of a pending value in the event loop in which it is awaited.
#[derive(Debug, Default)]
pub(crate) struct Link(Option<(Place, Maker)>);

#[derive(Debug)]
enum Place {
    #[cfg(feature = "tokio")]
    Tokio(tokio::Place),
    #[cfg(feature = "smol")]
    Smol(smol::Place),
}

impl Link {
    /// Ready when it is worth asking again. Otherwise the task is woken when it is.
    fn poll_ready(
        &mut self,
        watch: Arc<Watch>,
        deadline: Option<Instant>,
        context: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        if let Some((place, _)) = &mut self.0 {
            match place.poll_ready(deadline, context) {
                // Its runtime has ended; there may be another now.
                Poll::Ready(Err(_)) => self.0 = None,
                other => return other,
            }
        }
        let (place, _) = self.0.insert((Place::find(watch)?, Maker::this()));
        place.poll_ready(deadline, context)
    }
}

/// In a fork of the program the descriptors of its event loop are those of the program: taking something out there takes it
/// out here.
impl Drop for Link {
    fn drop(&mut self) {
        if let Some((place, maker)) = self.0.take()
            && maker.is_foreign()
        {
            std::mem::forget(place);
        }
    }
}

impl Place {
    /// A place in the event loop that is there.
    fn find(watch: Arc<Watch>) -> Result<Self> {
        #[cfg(feature = "tokio")]
        if tokio::is_here() {
            return tokio::Place::new(watch).map(Place::Tokio);
        }
        #[cfg(feature = "smol")]
        return smol::Place::new(watch).map(Place::Smol);
        #[cfg(not(feature = "smol"))]
        {
            drop(watch);
            let message = "there is no tokio runtime here; await it in one, or use wait(), or anyfork's feature `smol`";
            Err(Error::new(ErrorKind::Unsupported, "await", message))
        }
    }

    fn poll_ready(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let ready = match *self {
            #[cfg(feature = "tokio")]
            Place::Tokio(ref mut place) => place.poll_ready(deadline, context),
            #[cfg(feature = "smol")]
            Place::Smol(ref mut place) => place.poll_ready(deadline, context),
        };
        ready.map_err(|error| Error::system("wait in the event loop", error))
    }
}
