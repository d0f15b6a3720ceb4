//! Unix stream sockets that carry bytes and descriptors: unix(7), SCM_RIGHTS. Receiving is in `receive`.

use super::stdio::above_stdio;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most descriptors that one message carries (`SCM_MAX_FD`).
pub(crate) const DESCRIPTORS_PER_MESSAGE: usize = 253;

/// A connected pair, close-on-exec and blocking. Never 0, 1 or 2, where a program that closed them still writes its output.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    Ok((above_stdio(a), above_stdio(b)))
}

/// Whether the kernel says of all that is sent to this end from now on which process has sent it (`SO_PASSCRED`). A sender can lie about that only with
/// `CAP_SYS_ADMIN`, and only name processes of its own PID namespace.
pub(crate) fn name_senders(socket: impl AsFd, name: bool) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_passcred(socket, name)?)
}

/// Whether a descriptor is a connected Unix stream socket.
pub(crate) fn is_unix_stream(fd: impl AsFd) -> bool {
    use rustix::net::sockopt;
    sockopt::socket_domain(&fd) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(&fd) == Ok(SocketType::STREAM)
        && sockopt::socket_acceptconn(&fd) == Ok(false)
        && rustix::net::getpeername(&fd).is_ok()
}

/// Looks at what has come, and leaves it there.
pub(crate) fn peek(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    Ok(rustix::io::retry_on_intr(|| rustix::net::recv(&socket, &mut *buffer, flags))?.0)
}

/// Whether the other end is closed or has been shut: orders that are still to be read have been given up.
pub(crate) fn is_abandoned(socket: impl AsFd) -> bool {
    let mut poll = [PollFd::new(&socket, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut poll, Some(&now))).is_ok_and(|ready| ready > 0)
}

/// Ends both directions for both ends: nothing that is sent from now on arrives. What has come can still be read.
pub(crate) fn shut(socket: impl AsFd) {
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocking {
    Yes,
    No,
}

/// Sends bytes, and with the first of them the descriptors. Never raises SIGPIPE.
pub(crate) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    blocking: Blocking,
) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | if blocking == Blocking::Yes { SendFlags::empty() } else { SendFlags::DONTWAIT };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_MESSAGE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL.into());
    }
    let bytes = [IoSlice::new(bytes)];
    Ok(rustix::io::retry_on_intr(|| rustix::net::sendmsg(&socket, &bytes, &mut control, flags))?)
}

/// Whether trying again can help: the socket is full, too many descriptors are under way (unix(7), ETOOMANYREFS), or the kernel has no memory for it now.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || matches!(Errno::from_io_error(error), Some(Errno::TOOMANYREFS | Errno::NOBUFS | Errno::NOMEM))
}

/// Whether nobody is at the other end any more. All other errors are about what is sent, as EINVAL for the descriptor of an io_uring (since Linux 6.7).
pub(crate) fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
