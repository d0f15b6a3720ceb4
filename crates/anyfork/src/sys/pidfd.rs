//! pidfds: signals without races, a wake-up at the end, and on Linux 6.15 the exit status without being the parent.
//!
//! # Safety
//! One ioctl(2), whose argument is a struct of the kernel's layout, and one system call without memory.
#![allow(unsafe_code)]

use super::errno::{is_denial, lacks_room};
use super::lack::{Availability, Lack, present};
use super::stat::{self, Stat};
use super::stdio::above_stdio;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::OnceLock;

/// The calling process's own pidfd: no race, as it is alive. `None` where the kernel or a filter refuses pidfds; an error if there is no room for it now.
pub(crate) fn of_self() -> io::Result<Option<OwnedFd>> {
    open(rustix::process::getpid())
}

/// The same, or why there is none.
pub(crate) fn try_of_self() -> Result<OwnedFd, Lack> {
    try_open(rustix::process::getpid())
}

/// The pidfd of a process, likewise; also `None` if there is none of this number. For a child that nobody has waited for yet there is no race; of another, the
/// number may be somebody else's by the time the pidfd is there, so it is looked at again then.
pub(crate) fn of(pid: u32) -> io::Result<Option<OwnedFd>> {
    Pid::from_raw(pid as i32).map_or(Ok(None), open)
}

fn open(pid: Pid) -> io::Result<Option<OwnedFd>> {
    match try_open(pid) {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(Lack::Refused(errno)) if lacks_room(&errno.into()) => Err(errno.into()),
        Err(_) => Ok(None),
    }
}

fn try_open(pid: Pid) -> Result<OwnedFd, Lack> {
    if cfg!(anyfork_no_pidfd) {
        return Err(Lack::SwitchedOff);
    }
    Ok(above_stdio(rustix::process::pidfd_open(pid, PidfdFlags::empty())?))
}

/// Sends a signal; `Ok` also if the process has ended already.
pub(crate) fn signal(pidfd: impl AsFd, signal: Signal) -> io::Result<()> {
    match rustix::process::pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether a signal failed because a filter refuses pidfd_send_signal(2) as such: then so it does for this very process.
pub(crate) fn are_denied_signals(error: &io::Error) -> bool {
    let is_denied = || of_self().is_ok_and(|own| own.is_some_and(|own| send_none(own).is_err()));
    is_denial(error) && is_denied()
}

/// What a pidfd tells about its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Runs,
    /// Has ended; its parent may not have waited for it yet.
    Ended,
    /// Has ended, and its parent has waited for it (Linux 6.9).
    Reaped,
}

pub(crate) fn life(pidfd: impl AsFd) -> io::Result<Life> {
    let mut poll = [PollFd::new(&pidfd, PollFlags::IN)];
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut poll, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })))?;
    let events = poll[0].revents();
    Ok(if events.contains(PollFlags::HUP) {
        Life::Reaped
    } else if events.contains(PollFlags::IN) {
        Life::Ended
    } else {
        Life::Runs
    })
}

/// Whether a pidfd signals a hang-up when its process has been waited for (Linux 6.9, where pidfds got their own file system).
pub(crate) fn hangs_up_when_reaped(pidfd: impl AsFd) -> bool {
    // A property of the kernel: one pidfd answers for all.
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| try_hang_up(pidfd).is_ok())
}

/// The same, or why not. Asked each time.
pub(crate) fn try_hang_up(pidfd: impl AsFd) -> Availability {
    const PID_FS_MAGIC: u64 = 0x5049_4446;
    if cfg!(anyfork_no_pidfd_hangup) {
        return Err(Lack::SwitchedOff);
    }
    let is_own_file_system = rustix::fs::fstatfs(pidfd)?.f_type as u64 == PID_FS_MAGIC;
    present(is_own_file_system)
}

/// The number of the process that a descriptor means. `None`: there is none any more, or none that this process could name or send a signal
/// (pid_namespaces(7)). An error if it is no pidfd, or if nobody here can tell.
pub(crate) fn number(pidfd: impl AsFd) -> io::Result<Option<u32>> {
    match info(&pidfd, 0) {
        Ok(Info { pid: [number, ..], .. }) if number != 0 => Ok(Some(number)),
        // Older kernels, and processes that have been waited for.
        _ => number_in_proc(pidfd),
    }
}

fn number_in_proc(pidfd: impl AsFd) -> io::Result<Option<u32>> {
    // The numbers there are those of its namespace.
    stat::is_ours()?;
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_fd().as_raw_fd()))?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse::<i32>().ok());
    // 0: it has none here; -1: it has been waited for.
    let number = number.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(u32::try_from(number).ok().filter(|number| *number != 0))
}

/// The wait status of a process that has ended and was waited for, as the kernel keeps it behind a pidfd
/// (`PIDFD_GET_INFO` with `PIDFD_INFO_EXIT`, Linux 6.15).
pub(crate) fn wait_status(pidfd: impl AsFd) -> Option<i32> {
    let info = info(pidfd, EXIT).ok()?;
    (info.mask & EXIT != 0).then_some(info.exit_code)
}

/// Whether the kernel can be asked what it knows of a process. Since Linux 6.13; with the exit status since 6.15, which shows only when there is one.
pub(crate) fn has_info(pidfd: impl AsFd) -> Availability {
    info(pidfd, 0).map(drop)
}

/// `struct pidfd_info` of linux/pidfd.h, as of its first version with an exit code.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    /// Of the process, of its thread group, of its parent.
    pid: [u32; 3],
    credentials: [u32; 8],
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`: the exit code is wanted, or there.
const EXIT: u64 = 1 << 3;

/// What the kernel says of the process behind a pidfd (`PIDFD_GET_INFO`, Linux 6.13), with what `mask` asks for besides.
fn info(pidfd: impl AsFd, mask: u64) -> Result<Info, Lack> {
    if cfg!(anyfork_no_pidfd_info) {
        return Err(Lack::SwitchedOff);
    }
    const OPCODE: rustix::ioctl::Opcode = rustix::ioctl::opcode::read_write::<Info>(0xff, 11);
    let mut info = Info { mask, ..Info::default() };
    // SAFETY: the opcode carries the size of `Info`, and the kernel writes no more than that.
    let request = unsafe { rustix::ioctl::Updater::<OPCODE, Info>::new(&mut info) };
    // SAFETY: the request is the one that the opcode belongs to.
    unsafe { rustix::ioctl::ioctl(pidfd, request) }?;
    Ok(info)
}

/// The wait status of a process that has ended and was *not* waited for, by whoever has adopted it: some init programs never
/// do. From proc_pid_stat(5), field 52. The pidfd is asked before and after: as long as nobody has waited, the number is its own.
///
/// Not asked of a child of `adopter`, which will wait, and knows more.
pub(crate) fn zombie_wait_status(pidfd: impl AsFd, pid: u32, adopter: Option<u32>) -> Option<i32> {
    let is_zombie = || life(&pidfd).is_ok_and(|life| life != Life::Runs) && has_number(&pidfd);
    let stat = Stat::of(pid).filter(|_| is_zombie() && stat::is_ours().is_ok())?;
    let parent: u32 = stat.field(4)?;
    let status = stat.field(52)?;
    if adopter == Some(parent) {
        return None;
    }
    // About another user's process the kernel says 0, whatever it was.
    ((status != 0 || is_of_this_user(pid)) && is_zombie()).then_some(status)
}

/// Whether the process still has its number: nobody has waited for it.
pub(crate) fn has_number(pidfd: impl AsFd) -> bool {
    matches!(send_none(pidfd), Ok(()) | Err(Lack::Refused(Errno::PERM | Errno::ACCESS)))
}

/// Sends signal 0, which is none, and reaches also the dead.
pub(crate) fn send_none(pidfd: impl AsFd) -> Availability {
    let pidfd = pidfd.as_fd().as_raw_fd();
    // SAFETY: the system call takes numbers, and no pointer but null.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, 0, std::ptr::null::<libc::siginfo_t>(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}

/// Whether all the user and group ids of a process are the ones this process has.
fn is_of_this_user(pid: u32) -> bool {
    let ids = |path: String| {
        let status = std::fs::read_to_string(path).ok()?;
        Some(
            status
                .lines()
                .filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"))
                .map(str::to_owned)
                .collect(),
        )
    };
    let own: Option<Vec<String>> = ids("/proc/self/status".into());
    let uniform = |line: &String| {
        line.split_ascii_whitespace().skip(1).all(|id| Some(id) == line.split_ascii_whitespace().nth(1))
    };
    own.is_some() && own == ids(format!("/proc/{pid}/status")) && own.iter().flatten().all(uniform)
}

#[cfg(test)]
#[cfg(not(anyfork_no_pidfd))]
mod tests {
    use super::*;
    use std::fs::File;
    use std::process::Command;

    #[test]
    fn a_pidfd_tells_whose_it_is_until_that_has_been_waited_for() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = of(child.id()).unwrap().unwrap();
        assert_eq!(number(&pidfd).unwrap(), Some(child.id()));
        assert_eq!(number_in_proc(&pidfd).unwrap(), Some(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(number(&pidfd).unwrap(), None);
    }

    #[test]
    fn nothing_else_is_a_pidfd() {
        for path in ["/dev/null", "/proc/self", "/proc/self/status", "/"] {
            assert!(number(File::open(path).unwrap()).is_err(), "{path}");
        }
    }
}
