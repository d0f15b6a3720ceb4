//! Handles of programs in a fork of the host.

use super::{Seen, alone, shown};
use anyfork::{Child, ErrorKind};
use std::io::{Read, Write};
use std::path::Path;

super::cases![a_handle_is_inert_in_a_fork_of_the_caller, a_fork_of_the_caller_starts_programs_of_its_own,];

/// Runs `what` in a fork of this program, and returns what it says.
fn in_a_fork(what: impl FnOnce() -> String) -> String {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: this program has one thread.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(reader);
        let _ = writer.write_all(what().as_bytes());
        // SAFETY: no preconditions.
        unsafe { libc::_exit(0) }
    }
    drop(writer);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    // SAFETY: its own child; no status is asked for.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
    said
}

fn refused<T>(result: Result<T, anyfork::Error>) -> &'static str {
    match result {
        Ok(_) => "worked",
        Err(error) if error.kind() == ErrorKind::ForeignHandle => "refused",
        Err(_) => "failed",
    }
}

fn use_it(mut child: Child) -> String {
    let mut seen = vec![refused(child.try_wait()), refused(child.kill()), refused(child.signal(libc::SIGTERM))];
    seen.extend([refused(child.kill_tree()), refused(child.wait_timeout(std::time::Duration::ZERO))]);
    seen.extend([refused(child.wait()), refused(child.exited().try_finish())]);
    drop(child);
    seen.join(" ")
}

fn a_handle_is_inert_in_a_fork_of_the_caller(_: &Path) -> Seen {
    alone! {
        let mut command = Command::new("cat");
        command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut handle = Some(command.spawn().unwrap());
        // Taken in the fork alone.
        let seen = in_a_fork(|| use_it(handle.take().unwrap()));
        let mut child = handle.unwrap();
        child.stdin.as_mut().unwrap().write_all(b"alive").unwrap();
        format!("{seen}, {}", shown(child.wait_with_output()))
    }
}

fn a_fork_of_the_caller_starts_programs_of_its_own(_: &Path) -> Seen {
    super::both! {
        let mut command = Command::new("echo");
        command.arg("x");
        let before = shown(command.output());
        let inside = in_a_fork(|| shown(command.output()));
        format!("{before}, {inside}, {}", shown(command.output()))
    }
}
