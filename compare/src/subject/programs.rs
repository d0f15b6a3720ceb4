//! The external program of the cases `command` and `command-attrs`.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// As good as nothing but the work of starting it.
pub(super) const PROGRAM: &str = "/bin/true";

/// Somebody who owns nothing.
pub(super) const USER: u32 = 65_534;

/// The soft and hard limit of descriptors.
pub(super) const DESCRIPTORS: u64 = 256;

/// Who is not cannot start programs as another user.
pub(crate) fn is_root() -> bool {
    // SAFETY: it has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// The program with std, plain or with attributes.
pub(super) fn with_std(attributes: bool) -> Command {
    let mut command = Command::new(PROGRAM);
    if !attributes {
        return command;
    }
    if is_root() {
        command.uid(USER);
    }
    // SAFETY: the function makes two system calls and nothing else.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: DESCRIPTORS, rlim_max: DESCRIPTORS };
            if libc::setsid() < 0 || libc::setrlimit(libc::RLIMIT_NOFILE, &limit) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    command
}
