//! With which errnos a system call may fail at any time, through nobody's fault: its manual page says so, and a kernel that is short of something does it.

use super::Call;
use std::fs;
use syscalls::Sysno;

impl Call {
    /// Whether the kernel might let it fail with this errno.
    pub fn may_fail_with(&self, errno: i32) -> bool {
        match errno {
            libc::EINTR => self.may_be_interrupted(),
            libc::EAGAIN => self.does_not_wait() || matches!(self.number, Sysno::clone | Sysno::clone3 | Sysno::execve),
            libc::EMFILE => self.makes_descriptors(),
            // No kernel does that to a socket: it might be anything else that nobody has thought of.
            libc::EIO => self.number == Sysno::recvmsg,
            libc::ENOMEM => self.makes_descriptors() || self.takes_memory(),
            _ => false,
        }
    }

    /// Reading a file of a disk is never interrupted.
    fn may_be_interrupted(&self) -> bool {
        match self.number {
            Sysno::read | Sysno::write => {
                let file = fs::read_link(format!("/proc/{}/fd/{}", self.pid, self.arguments[0]));
                !file.is_ok_and(|file| file.is_absolute())
            }
            Sysno::recvfrom | Sysno::recvmsg | Sysno::sendto | Sysno::sendmsg | Sysno::getrandom => true,
            Sysno::poll | Sysno::ppoll | Sysno::epoll_wait | Sysno::epoll_pwait => true,
            Sysno::waitid => self.arguments[3] & libc::WNOHANG as u64 == 0,
            Sysno::wait4 => self.arguments[2] & libc::WNOHANG as u64 == 0,
            _ => false,
        }
    }

    fn does_not_wait(&self) -> bool {
        // Not `recvfrom`, which only looks at what has been found to be there.
        matches!(self.number, Sysno::recvmsg | Sysno::sendmsg) && self.arguments[2] & libc::MSG_DONTWAIT as u64 != 0
    }

    fn makes_descriptors(&self) -> bool {
        match self.number {
            Sysno::open | Sysno::openat | Sysno::socketpair | Sysno::pidfd_open | Sysno::memfd_create => true,
            Sysno::signalfd4 | Sysno::timerfd_create | Sysno::epoll_create1 | Sysno::eventfd2 => true,
            Sysno::fcntl => matches!(self.arguments[1] as i32, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC),
            _ => false,
        }
    }

    fn takes_memory(&self) -> bool {
        match self.number {
            Sysno::clone | Sysno::clone3 | Sysno::execve | Sysno::epoll_ctl | Sysno::pread64 => true,
            // Not `sendto` and `recvfrom`, which are those of the scenario.
            Sysno::recvmsg | Sysno::sendmsg => true,
            // What the loader maps of files is its own affair.
            Sysno::mmap => self.arguments[3] & libc::MAP_ANONYMOUS as u64 != 0,
            _ => false,
        }
    }
}
