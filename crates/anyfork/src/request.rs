//! A new process, as its template is asked for it.

use crate::channel::{Descriptors, Dialect, Outbox};
use crate::error::{Error, Result};
use crate::sys::socket::{self, Blocking, is_end, is_passing};
use crate::wire::Order;
use std::io;
use std::os::fd::OwnedFd;

/// What goes to the template, and what goes to the process.
#[derive(Debug)]
pub(crate) struct Request {
    /// To the template. The new process's end of its socket goes in front of the descriptors.
    order: Outbox,
    /// To the process: it finds them in its socket.
    orders: Outbox,
    /// The client's end of that socket, once it is made.
    socket: Option<OwnedFd>,
}

/// A process that has been asked for: the client's end of its socket, and the orders that this did not take yet.
pub(crate) type Ordered = (OwnedFd, Outbox);

/// How far a request has come.
#[derive(Debug)]
pub(crate) enum Progress {
    Done,
    Blocked(Blocked),
    /// This one cannot be; others can.
    Failed(Error),
    /// The template is gone, or has a part of it and cannot have the rest, so that it would understand nothing that comes then.
    Broken(io::Error),
}

impl Progress {
    /// Sends to the template's socket, as far as that is possible now.
    pub(crate) fn send(order: &mut Outbox, to: &OwnedFd) -> Self {
        Self::of(order.flush(to, Blocking::No), order.is_begun)
    }

    fn of(sent: io::Result<()>, is_begun: bool) -> Self {
        match sent {
            Ok(()) => Progress::Done,
            Err(error) if is_passing(&error) => Progress::Blocked(Blocked::by(&error)),
            Err(error) if is_begun || is_end(&error) => Progress::Broken(error),
            Err(error) => Progress::Failed(Error::system(SEND, error)),
        }
    }
}

/// The step that fails.
pub(crate) const SEND: &str = "send the fork order";

impl Request {
    pub(crate) fn new(dialect: Dialect, order: &Order<'_>, descriptors: Descriptors, orders: Outbox) -> Self {
        let mut outbox = Outbox::new(dialect);
        outbox.write(order, descriptors.len() + 1);
        outbox.descriptors = descriptors;
        Request { order: outbox, orders, socket: None }
    }

    /// Adds orders for the process.
    pub(crate) fn append(&mut self, more: Outbox) {
        self.orders.append(more);
    }

    /// Sends it, as far as that is possible now.
    pub(crate) fn send(&mut self, to: &OwnedFd) -> Progress {
        if self.socket.is_none()
            && let Err(error) = self.make_socket()
        {
            return Progress::Failed(error);
        }
        Progress::send(&mut self.order, to)
    }

    /// First the orders, then the fork: the new process finds them there, whenever it comes.
    fn make_socket(&mut self) -> Result<()> {
        let (ours, theirs) = socket::pair().map_err(|error| Error::system("make a socket pair", error))?;
        socket::name_senders(&ours, true).map_err(|error| Error::system("make a socket pair", error))?;
        match self.orders.flush(&ours, Blocking::No) {
            Err(error) if !is_passing(&error) => return Err(Error::system("send orders", error)),
            _ => {}
        }
        self.order.descriptors.insert(0, theirs);
        self.socket = Some(ours);
        Ok(())
    }

    /// Whether a part of it has been sent, so that the rest must follow.
    pub(crate) fn is_under_way(&self) -> bool {
        self.order.is_begun
    }

    /// For one that is under way and not wanted any more: the process finds that nobody waits for it.
    pub(crate) fn give_up(&self) {
        self.socket.iter().for_each(socket::shut);
    }

    pub(crate) fn take(&mut self) -> Option<Ordered> {
        Some((self.socket.take()?, std::mem::take(&mut self.orders)))
    }
}

/// Why the template's socket takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Blocked {
    #[default]
    Full,
    /// Too many descriptors of this user are under way, or the kernel has no memory: the socket's being writable says nothing.
    ByOthers,
}

impl Blocked {
    fn by(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock { Blocked::Full } else { Blocked::ByOthers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn only_an_end_or_an_error_in_the_middle_concerns_the_others() {
        let of = |errno: Errno, is_begun| Progress::of(Err(errno.into()), is_begun);
        for is_begun in [false, true] {
            assert!(matches!(of(Errno::PIPE, is_begun), Progress::Broken(_)));
            assert!(matches!(of(Errno::CONNRESET, is_begun), Progress::Broken(_)));
            assert!(matches!(of(Errno::AGAIN, is_begun), Progress::Blocked(Blocked::Full)));
            assert!(matches!(of(Errno::NOMEM, is_begun), Progress::Blocked(Blocked::ByOthers)));
        }
        assert!(matches!(of(Errno::INVAL, false), Progress::Failed(_)));
        assert!(matches!(of(Errno::INVAL, true), Progress::Broken(_)));
    }
}
