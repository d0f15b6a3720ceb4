//! The kernel's side of it: a filter that has each system call told to whoever holds its listener (seccomp_unotify(2)).

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Through which descriptor of the host the listener goes to the test. The one message that it takes is not told: nobody could answer yet.
const STEERING: u32 = 0;

/// In the host: from here on each system call of this process and of all that come from it waits for the test's answer. Standard input must be the socket
/// whose other end the test has.
///
/// # Errors
/// What the kernel says.
pub fn begin() -> io::Result<()> {
    let listener = listen()?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [listener.as_fd()];
    // Any other system call before this one has been made would be waited for by nobody.
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(rustix::stdio::stdin(), &[IoSlice::new(b"l")], &mut control, SendFlags::empty())?;
    Ok(())
}

fn listen() -> io::Result<OwnedFd> {
    let load = |offset: usize| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32, [0, 0]);
    let unless = |value: u32, skip: u8| statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, [0, skip]);
    let say = |verdict: u32| statement(libc::BPF_RET | libc::BPF_K, verdict, [0, 0]);
    let mut program = [
        load(std::mem::offset_of!(libc::seccomp_data, nr)),
        unless(libc::SYS_sendmsg as u32, 3),
        // The lower half of the first argument, on a little-endian machine.
        load(std::mem::offset_of!(libc::seccomp_data, args)),
        unless(STEERING, 1),
        say(libc::SECCOMP_RET_ALLOW),
        say(libc::SECCOMP_RET_USER_NOTIF),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: numbers alone.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: a filter of as many instructions as it says, all in this frame.
    match unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const filter) } {
        // SAFETY: the call has just made it.
        number @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(number as i32) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn statement(code: u32, k: u32, [jt, jf]: [u8; 2]) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// What the kernel does with a call that was told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Make,
    /// Not made; it fails with this errno.
    Fail(i32),
}

/// Where the system calls are told.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

impl Listener {
    /// In the test: waits for what [`begin`] sends. `None`: the host has ended before.
    pub(super) fn receive(steering: impl AsFd) -> Option<Self> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut octet = [0];
        rustix::net::recvmsg(steering, &mut [IoSliceMut::new(&mut octet)], &mut control, RecvFlags::CMSG_CLOEXEC)
            .ok()?;
        let mut descriptors = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights),
            _ => None,
        });
        let listener = Listener(descriptors.next()?.next()?);
        listener.wake_in_turn();
        Some(listener)
    }

    /// Those who wait for an answer are woken where the answer is given: this test does nothing then but wait for the next call. Linux 6.6; faster, no more.
    fn wake_in_turn(&self) {
        const SYNC_WAKE_UP: u64 = 1;
        // SAFETY: a number.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
    }

    /// The next call, which waits for its answer. `None`: nobody is left who could make one.
    pub(super) fn next(&self) -> Option<libc::seccomp_notif> {
        loop {
            let mut poll = [rustix::event::PollFd::new(&self.0, rustix::event::PollFlags::IN)];
            let ready = rustix::event::poll(&mut poll, None);
            if ready.is_ok() && !poll[0].revents().contains(rustix::event::PollFlags::IN) {
                return None;
            }
            // SAFETY: plain data, and the kernel wants it zeroed.
            let mut told: libc::seccomp_notif = unsafe { std::mem::zeroed() };
            // SAFETY: a struct of the kernel's layout to write to.
            if unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut told) } == 0 {
                return Some(told);
            }
            // ENOENT: whoever made it was killed. Or a signal came.
        }
    }

    /// Whether the process that made the call still waits: what its number leads to is it, then.
    pub(super) fn still_waits(&self, told: &libc::seccomp_notif) -> bool {
        // SAFETY: a number to read.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const told.id) == 0 }
    }

    /// Whether the process hears that: it may have been killed or stopped, or a signal has come to it.
    pub(super) fn answer(&self, told: &libc::seccomp_notif, answer: Answer) -> bool {
        let (error, flags) = match answer {
            Answer::Make => (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
            Answer::Fail(errno) => (-errno, 0),
        };
        let response = libc::seccomp_notif_resp { id: told.id, val: 0, error, flags };
        // SAFETY: a struct of the kernel's layout to read.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response) == 0 }
    }
}
