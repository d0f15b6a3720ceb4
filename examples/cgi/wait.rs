//! The event loop waits for anyfork: for starts and for ends.

use std::io;
use std::os::fd::AsFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits for a `Starting` or an `Exited`: asks it with its `try_finish`, each time that its descriptor is readable.
///
/// Dropping the future drops what it waits for, and so gives a start up.
pub(crate) async fn finish<W: AsFd, T>(
    mut awaited: W,
    try_finish: impl Fn(&mut W) -> anyfork::Result<Option<T>>,
) -> io::Result<T> {
    if let Some(finished) = try_finish(&mut awaited)? {
        return Ok(finished);
    }
    // A duplicate, as `AsyncFd` wants one descriptor from its beginning to its end.
    #[allow(deprecated, reason = "what tokio recommends instead is unsafe, for what an `OwnedFd` cannot do wrong")]
    let descriptor = AsyncFd::with_interest(awaited.as_fd().try_clone_to_owned()?, Interest::READABLE)?;
    loop {
        let mut readable = descriptor.readable().await?;
        if let Some(finished) = try_finish(&mut awaited)? {
            return Ok(finished);
        }
        readable.clear_ready();
    }
}
