//! Receiving through a Unix stream socket: bytes, descriptors, and whom the kernel knows to have sent them (recvmsg(2), unix(7)).
//!
//! # Safety
//! A message header that points to buffers which outlive the call, and control data read as cmsg(3) says. Not rustix, which has
//! no value for a sender without a number here (0: it is in no PID namespace below this one).
#![allow(unsafe_code)]

use super::socket::{Blocking, DESCRIPTORS_PER_MESSAGE};
use super::stdio::above_stdio;
use smallvec::SmallVec;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What one message brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    /// 0: the other end is gone.
    pub(crate) bytes: usize,
    /// Descriptors were lost, because this process cannot have more. Those that came with them are closed.
    pub(crate) lost_descriptors: bool,
    /// The process that sent them, if the socket [names senders](super::socket::name_senders) and it has a number here.
    pub(crate) sender: Option<u32>,
}

const NUMBER: usize = size_of::<RawFd>();

/// Linux 6.5: a pidfd of the sender.
const SCM_PIDFD: i32 = 4;

const fn space(length: usize) -> usize {
    // SAFETY: it only calculates.
    unsafe { libc::CMSG_SPACE(length as u32) as usize }
}

/// What may come along with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Along {
    /// Orders: any descriptors.
    #[default]
    Descriptors,
    /// Reports: one descriptor. The kernel keeps others out of this process.
    One,
    /// A reply: one descriptor, and the name of its sender.
    OneWithName,
}

impl Along {
    const fn most(self) -> usize {
        if matches!(self, Along::Descriptors) { DESCRIPTORS_PER_MESSAGE } else { 1 }
    }

    /// Not rounded up at its end, which would be room for one more.
    const fn room(self) -> usize {
        let name = if matches!(self, Along::OneWithName) { space(size_of::<libc::ucred>()) } else { 0 };
        name + space(0) + self.most() * NUMBER
    }
}

/// Aligned as a control message has to be.
type Control = [u64; Along::Descriptors.room().div_ceil(8)];

const _: () = assert!(Along::OneWithName.room() <= size_of::<Control>());

/// Receives bytes into `buffer` and appends the descriptors that came with them.
pub(crate) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut impl Extend<OwnedFd>,
    along: Along,
    blocking: Blocking,
) -> io::Result<Received> {
    let flags = libc::MSG_CMSG_CLOEXEC | if blocking == Blocking::Yes { 0 } else { libc::MSG_DONTWAIT };
    let mut control = MaybeUninit::<Control>::uninit();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: zero is valid for all fields.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&mut part, 1);
    (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), along.room() as _);
    let bytes = loop {
        // SAFETY: the header points to both buffers, with no more than their lengths.
        let received = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &mut message, flags) };
        match usize::try_from(received) {
            Ok(bytes) => break bytes,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    };
    // SAFETY: the kernel has just filled in the header and what it points to.
    let (sender, came) = unsafe { read_control(&message) };
    let is_cut = message.msg_flags & libc::MSG_CTRUNC != 0;
    if came.len() > along.most() || (is_cut && came.len() == along.most()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "more descriptors than a reply has"));
    }
    if !is_cut {
        descriptors.extend(came.into_iter().map(above_stdio));
    }
    Ok(Received { bytes, lost_descriptors: is_cut, sender })
}

/// # Safety
/// The header is as recvmsg(2) has left it, and nobody has read it before: descriptors are taken over.
unsafe fn read_control(message: &libc::msghdr) -> (Option<u32>, SmallVec<[OwnedFd; 4]>) {
    let (mut sender, mut came) = (None, SmallVec::new());
    // SAFETY: as the caller says, the control data is a chain of whole headers, each with as much data as it says.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            let length = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    let numbers = data.cast::<RawFd>();
                    came.extend((0..length / NUMBER).map(|at| OwnedFd::from_raw_fd(numbers.add(at).read_unaligned())));
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if length >= size_of::<libc::ucred>() => {
                    let pid = data.cast::<libc::ucred>().read_unaligned().pid;
                    sender = u32::try_from(pid).ok().filter(|pid| *pid != 0);
                }
                // Whoever made this socket may have asked for that; it is not wanted.
                (libc::SOL_SOCKET, SCM_PIDFD) => {
                    let number = data.cast::<RawFd>().read_unaligned();
                    drop((number >= 0).then(|| OwnedFd::from_raw_fd(number)));
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    (sender, came)
}
