//! The external programs of the benchmarks, with std and with anyfork.

use anyfork::{Command, Limit};
use std::os::unix::process::CommandExt;

/// The program that is started: as good as nothing but the work of starting it.
pub const PROGRAM: &str = "/bin/true";

/// Somebody who owns nothing.
pub const USER: u32 = 65_534;

/// Who is not cannot start programs as another user.
pub fn is_root() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// The program with a user, a session and a limit.
pub fn with_attributes() -> Command {
    let mut command = Command::new(PROGRAM);
    command.setsid(true).rlimit(Limit::Nofile, 256, 256);
    if is_root() {
        command.uid(USER);
    }
    command
}

/// The same by std.
pub fn std_with_attributes() -> std::process::Command {
    let mut command = std::process::Command::new(PROGRAM);
    if is_root() {
        command.uid(USER);
    }
    // SAFETY: the function makes two system calls and nothing else.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: 256, rlim_max: 256 };
            if libc::setsid() < 0 || libc::setrlimit(libc::RLIMIT_NOFILE, &limit) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    command
}

/// Memory that is resident: so many bytes, each page written to.
pub fn resident(bytes: usize) -> Vec<u8> {
    std::hint::black_box(vec![1; bytes])
}
