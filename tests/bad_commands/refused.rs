//! Orders that the kernel does not carry: since Linux 6.7 it refuses messages with the descriptor of an io_uring (EINVAL).

use super::commands::can;
use super::oracle::Oracle;
use anyfork::{ErrorKind, Process, Worker};
use anyfork_tests::{LONG, signal, stop};
use rustix::process::Signal;
use std::io::Read;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

#[anyfork::entry]
fn nothing() {}

#[anyfork::entry]
fn wait_for_end(mut socket: UnixStream) -> std::io::Result<()> {
    socket.read(&mut [0]).map(drop)
}

/// An io_uring that this kernel does not carry, if there are such here.
fn ring() -> Option<OwnedFd> {
    let mut parameters = [0_u8; 256];
    // SAFETY: the parameters are 120 octets, and zero is a value for each of them.
    let number = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
    if !can(number >= 0, "io_uring") {
        return None;
    }
    // SAFETY: nobody else has this new descriptor.
    let ring = unsafe { OwnedFd::from_raw_fd(number as i32) };
    can(is_refused(&ring), "a kernel that refuses to send an io_uring").then_some(ring)
}

fn is_refused(fd: impl AsFd) -> bool {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(&ours, &[std::io::IoSlice::new(b"x")], &mut control, SendFlags::empty()) == Err(rustix::io::Errno::INVAL)
}

#[test]
fn a_descriptor_that_the_kernel_does_not_carry_fails_its_command_alone() {
    let oracle = Oracle::new();
    let Some(ring) = ring() else { return };
    let mut command = oracle.command("true");
    command.fd_at(5, &ring);
    for way in ["at once", "forked"] {
        let error = command.spawn().map(|child| child.id()).unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::System, Some(libc::EINVAL)), "{way}: {error}");
        assert!(error.to_string().starts_with("send "), "{way}: {error}");
        command.pre_exec_entry(nothing, [""; 0]);
    }
    drop((command, ring));
    oracle.nothing_is_left("a descriptor that was refused");
}

/// It was taken for the end of the template: all behind it failed, and no report was read any more.
#[test]
fn a_queued_command_that_the_kernel_does_not_carry_fails_alone() {
    // Others look at the descriptors of this program.
    let oracle = Oracle::new();
    let Some(ring) = ring() else { return };
    let template = Process::new().template().unwrap();
    let earlier = template.fork().run(wait_for_end).unwrap();
    stop(template.pid());
    let before: Vec<_> = (0..600).map(|_| template.fork().start(nothing)).collect();
    let refused = template.command("true").fd_at(5, &ring).start();
    let behind: Vec<_> = (0..5).map(|_| template.fork().start(nothing)).collect();
    signal(template.pid(), Signal::CONT);
    let ends_well = |worker: Worker| {
        let status = worker.wait_timeout(LONG).unwrap().unwrap();
        assert!(status.success() && status.usage().is_some(), "{status:?}");
    };
    before.into_iter().for_each(|starting| ends_well(starting.wait().unwrap()));
    let error = refused.wait().map(|child| child.id()).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::System, Some(libc::EINVAL)), "{error}");
    behind.into_iter().for_each(|starting| ends_well(starting.wait().unwrap()));
    ends_well(template.fork().run(nothing).unwrap());
    drop(earlier.socket().shutdown(std::net::Shutdown::Both));
    ends_well(earlier);
    drop((template, ring));
    oracle.nothing_is_left("a command that was refused");
}
