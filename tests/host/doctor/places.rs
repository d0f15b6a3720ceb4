//! Places where something is missing: filters of system calls, and no `/proc`.

use crate::Outcome;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// The number of a system call, and for those that do many things which of them: the first value of which argument.
fn call(name: &str) -> Option<(i64, Option<(u8, u64)>)> {
    const PIDFD_GET_INFO: u64 = 11;
    Some(match name {
        "pidfd_open" => (libc::SYS_pidfd_open, None),
        "pidfd_send_signal" => (libc::SYS_pidfd_send_signal, None),
        "fstatfs" => (libc::SYS_fstatfs, None),
        "PIDFD_GET_INFO" => (libc::SYS_ioctl, Some((1, 0xff << 8 | PIDFD_GET_INFO))),
        "close_range" => (libc::SYS_close_range, None),
        "memfd_create" => (libc::SYS_memfd_create, None),
        "unshare" => (libc::SYS_unshare, None),
        "clone3" => (libc::SYS_clone3, None),
        "waitid" => (libc::SYS_waitid, None),
        // Getting and setting it.
        "PR_SET_CHILD_SUBREAPER" => (libc::SYS_prctl, Some((0, libc::PR_SET_CHILD_SUBREAPER as u64))),
        "landlock" => (libc::SYS_landlock_create_ruleset, None),
        _ => return None,
    })
}

/// From now on this system call fails with this errno, here and in all that is started.
pub(super) fn deny(name: &str, errno: i32) -> Outcome {
    let (number, argument) = call(name).ok_or("which call?")?;
    let rules = match argument {
        None => Vec::new(),
        Some((index, value)) => {
            // The direction and the size of an ioctl, and whether an attribute is set or got, are other bits.
            let mask = if name == "PIDFD_GET_INFO" { 0xffff } else { !1 };
            let operator = SeccompCmpOp::MaskedEq(mask);
            vec![SeccompRule::new(vec![SeccompCondition::new(
                index,
                SeccompCmpArgLen::Dword,
                operator,
                value & mask,
            )?])?]
        }
    };
    let rules = BTreeMap::from([(number, rules)]);
    let action = SeccompAction::Errno(errno as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, std::env::consts::ARCH.try_into()?)?;
    Ok(seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?)
}

/// Takes `/proc` away from this process and all that it starts.
pub(super) fn unmount_proc() -> Outcome {
    let none = std::ptr::null();
    // SAFETY: flags, constant strings, and no data.
    let done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()) == 0
            && libc::umount2(c"/proc".as_ptr(), libc::MNT_DETACH) == 0
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}
