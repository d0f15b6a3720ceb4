//! waitid(2) as the kernel has it: with resource usage, which the C library's function leaves out. Or wait4(2).
//!
//! # Safety
//! System calls that write into two structs of the kernel's layout.
#![allow(unsafe_code)]

use super::errno::is_denial;
use super::lack::{Availability, refused_with};
use crate::wire::ExitRecord;
use libc::c_int;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

#[derive(Clone, Copy)]
pub(crate) enum Which<'a> {
    Any,
    Pid(u32),
    Pidfd(BorrowedFd<'a>),
}

/// A child that has ended, if there is one. It stays a zombie (and its number its own) until [`reap`]; but where a filter denies waitid(2) it is waited for at
/// once, as wait4(2) cannot just look.
pub(crate) fn ended(which: Which<'_>) -> Option<ExitRecord> {
    wait(which, libc::WNOWAIT)
}

/// Waits for a child that has ended. `None`: there is none, or it runs, or it is not ours.
pub(crate) fn reap(which: Which<'_>) -> Option<ExitRecord> {
    wait(which, 0)
}

/// Whether waitid(2) may be used, or why not: asked of this process, which is no child of its own (ECHILD).
pub(crate) fn availability() -> Availability {
    match waitid(Which::Pid(std::process::id()), libc::WNOWAIT) {
        Ok(_) => Ok(()),
        Err(error) => refused_with(Errno::CHILD, error),
    }
}

fn wait(which: Which<'_>, flags: c_int) -> Option<ExitRecord> {
    match waitid(which, flags) {
        Err(error) if is_denial(&error) => wait4(which),
        ended => ended.ok().flatten(),
    }
}

fn waitid(which: Which<'_>, flags: c_int) -> io::Result<Option<ExitRecord>> {
    let (kind, id) = match which {
        Which::Any => (libc::P_ALL, 0),
        Which::Pid(pid) => (libc::P_PID, pid),
        Which::Pidfd(pidfd) => (libc::P_PIDFD, pidfd.as_raw_fd() as u32),
    };
    // SAFETY: both structs are plain data, for which zero is valid.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { std::mem::zeroed() };
    let flags = flags | libc::WEXITED | libc::WNOHANG;
    // SAFETY: the kernel writes one siginfo_t and one rusage, to which the pointers point.
    let result = unsafe { libc::syscall(libc::SYS_waitid, kind, id, &raw mut info, flags, &raw mut usage) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: waitid(2) fills these fields, or leaves them zero if no child was in the wanted state.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let wait_status = match info.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_DUMPED => status | 0x80,
        _ => status,
    };
    Ok(Some(record(pid, wait_status, &usage)))
}

/// `None` also for a process that is known by its pidfd alone.
fn wait4(which: Which<'_>) -> Option<ExitRecord> {
    let pid = match which {
        Which::Any => -1,
        Which::Pid(pid) => pid as libc::pid_t,
        Which::Pidfd(_) => return None,
    };
    // SAFETY: plain data, for which zero is valid.
    let (mut status, mut usage): (c_int, libc::rusage) = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one number and one rusage.
    let pid = unsafe { libc::wait4(pid, &mut status, libc::WNOHANG, &mut usage) };
    (pid > 0).then(|| record(pid, status, &usage))
}

fn record(pid: libc::pid_t, wait_status: c_int, usage: &libc::rusage) -> ExitRecord {
    ExitRecord {
        id: 0,
        pid: pid as u32,
        wait_status,
        user_us: micros(usage.ru_utime),
        system_us: micros(usage.ru_stime),
        peak_kib: usage.ru_maxrss as u64,
        minor_faults: usage.ru_minflt as u64,
        major_faults: usage.ru_majflt as u64,
    }
}

fn micros(time: libc::timeval) -> u64 {
    time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64
}
