//! A program is killed with all that it has started, however that is related to it by then, and with nothing else.

#![cfg_attr(anyfork_no_pidfd, allow(dead_code, reason = "without pidfds no tree is killed"))]

#[path = "support/commands.rs"]
mod commands;

#[cfg(not(anyfork_no_pidfd))]
#[path = "kill_tree/trees.rs"]
mod trees;

#[cfg(not(anyfork_no_pidfd))]
#[path = "kill_tree/forkers.rs"]
mod forkers;

#[cfg(not(anyfork_no_pidfd))]
#[path = "kill_tree/groups.rs"]
mod groups;

use anyfork::{Child, Command, Stdio};
use anyfork_tests::{LONG, wait_until};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{PipeReader, pipe};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running program whose descendants can be recognised. Dropping it kills what a test has left.
struct Marked {
    child: Child,
    mark: String,
    /// Each of them has the other end, so this is at its end when none is left. A look through `/proc` may miss those that come and go.
    alive: PipeReader,
}

impl Marked {
    /// Starts it, and waits until there are so many processes of it.
    fn start(command: &mut Command, processes: usize) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let value = format!("{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        command.env("KILL_TREE", &value).stdin(Stdio::null());
        let (alive, writer) = pipe().unwrap();
        // A command that is started again has another one.
        let child = command.stdout(writer).spawn().unwrap();
        command.stdout(Stdio::null());
        let marked = Marked { child, mark: format!("KILL_TREE={value}"), alive };
        let all = wait_until(LONG, || marked.processes().len() >= processes);
        assert!(all, "{:?} instead of {processes}", marked.processes());
        marked
    }

    fn processes(&self) -> Vec<u32> {
        commands::marked(&self.mark)
    }

    fn is_gone(&self) -> bool {
        let mut polls = [PollFd::new(&self.alive, PollFlags::empty())];
        poll(&mut polls, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
        polls[0].revents().contains(PollFlags::HUP)
    }

    /// Kills the tree: nothing is left when that returns, which is an error if it takes too long.
    fn is_killed(&mut self) {
        self.child.kill_tree().unwrap();
        let left = self.processes();
        assert!(left.is_empty(), "{left:?} are left");
        assert!(self.is_gone(), "somebody is left who comes and goes");
        assert_eq!(self.child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}

#[cfg(anyfork_no_pidfd)]
#[test]
fn without_pidfds_it_is_refused() {
    let child = Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap();
    assert_eq!(child.kill_tree().unwrap_err().kind(), anyfork::ErrorKind::Unsupported);
}

impl Drop for Marked {
    fn drop(&mut self) {
        let none = wait_until(LONG, || {
            let left = self.processes();
            left.iter().for_each(|pid| anyfork_tests::signal(*pid, rustix::process::Signal::KILL));
            self.is_gone()
        });
        assert!(none || std::thread::panicking(), "processes are left that cannot be killed");
    }
}
