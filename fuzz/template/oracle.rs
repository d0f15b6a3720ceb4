//! What must be true when an input has been played: nobody is left, nobody has crashed, nothing stays open.

use super::peer::{Exit, LONG, Peer};
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use std::fs;
use std::time::{Duration, Instant};

/// A panic in code of anyfork's own.
const PANICKED: i32 = 101;

/// Signals that a process raises by its own fault.
const FAULTS: [i32; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP];

/// All that come from one template.
pub(super) struct Family {
    root: u32,
    /// Children that this process has of its own.
    own: Vec<u32>,
    /// Of this process and of the one above all: how many are open.
    descriptors: [usize; 2],
}

impl Family {
    pub(super) fn of(root: u32) -> Self {
        let this = std::process::id();
        Family { root, own: children(this), descriptors: [this, root].map(descriptors) }
    }

    /// Before an input is played. (Between two, whoever plays them may open files.)
    pub(super) fn begins(&mut self) {
        self.descriptors[0] = descriptors(std::process::id());
    }

    /// Waits until the template of that id and all that came from it have ended. `told`: what it has said of its children.
    pub(super) fn has_ended(&self, root: &mut Peer, id: u64, is_disturbed: bool, told: &[Exit]) {
        let mut ends = told.to_vec();
        let end = root.wait(|kind, payload| {
            let exit = Exit::read(kind, payload);
            // Those of programs and orphans, too.
            ends.extend(exit.filter(|exit| exit.id != id));
            exit.is_some_and(|exit| exit.id == id)
        });
        let end = end.and_then(|payload| Exit::read(super::frames::EXITED, &payload)).expect("the template ends");
        assert!([0, 1 << 8].contains(&end.wait_status), "the template ended so: {end:?}");
        self.nobody_is_left(is_disturbed, &mut ends);
        for end in ends {
            let (signal, code) = (end.wait_status & 0x7f, end.wait_status >> 8);
            assert!(code != PANICKED || signal != 0, "a panic: {end:?}");
            assert!(is_disturbed || !FAULTS.contains(&signal), "a fault: {end:?}");
        }
        let now = [std::process::id(), self.root].map(descriptors);
        assert_eq!(now, self.descriptors, "open descriptors of this process, and of the template above");
    }

    /// Orphans come to this process, which takes their statuses. What was stopped by an order goes on, to its end.
    fn nobody_is_left(&self, is_disturbed: bool, ends: &mut Vec<Exit>) {
        let until = Instant::now() + LONG;
        loop {
            let mut left = children(std::process::id());
            left.retain(|pid| !self.own.contains(pid));
            for pid in &left {
                let Some(pid) = Pid::from_raw(*pid as i32) else { continue };
                if is_disturbed {
                    let _ = rustix::process::kill_process(pid, Signal::CONT);
                }
                if let Ok(Some((_, status))) = waitpid(Some(pid), WaitOptions::NOHANG) {
                    ends.push(Exit { id: 0, wait_status: status.as_raw() });
                }
            }
            left.extend(children(self.root));
            if left.is_empty() {
                return;
            }
            let shown = || left.iter().map(|pid| fs::read_to_string(format!("/proc/{pid}/stat"))).collect::<Vec<_>>();
            assert!(Instant::now() < until, "still there: {:?}", shown());
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// The children of a process of one thread, dead ones included.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("a list of children");
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("a list of descriptors").count()
}
