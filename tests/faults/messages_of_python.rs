//! The kernel has no memory for a message, or too many descriptors are under way, each time when one of Python's processes sends or receives: it does so later, and
//! nothing else is to be seen of it. Those of a compiled program are in `failing_anywhere`.

use anyfork_tests::interception::{self, Call, Intercepted, Sysno, Verdict};
use anyfork_tests::{Host, SOON, Scratch, signal};
use rustix::process::Signal;
use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The interpreter, which is the template. Its processes are below.
const TEMPLATE: &str = "0.1.1";

/// What the steps of the scenario come to.
const USUAL: [(&str, &str); 4] = [
    ("worker", "seven, exit status: 7"),
    ("unknown", "error UnknownEntry 0"),
    ("refused", "error System 11"),
    ("spare", "seven, exit status: 7"),
];

/// Of one call of one process.
#[derive(Default)]
struct Tried {
    times: usize,
    failed: Option<Instant>,
    /// How soon after a failure it was tried again.
    soonest: Option<Duration>,
}

impl Tried {
    /// Each time it fails twice, and is made then.
    fn again(&mut self, errno: i32) -> Verdict {
        let since = self.failed.take().map(|failed| failed.elapsed());
        self.soonest = self.soonest.into_iter().chain(since).min();
        self.times += 1;
        if self.times.is_multiple_of(3) {
            return Verdict::Make;
        }
        self.failed = Some(Instant::now());
        Verdict::Fail(errno)
    }
}

/// `before` each call of an interpreter, something may be done to it.
fn each_is_tried_again(errno: i32, calls: &'static [Sysno], before: fn(&Call)) {
    if !interception::is_possible() {
        return;
    }
    let tried: Arc<Mutex<HashMap<(String, Sysno), Tried>>> = Arc::default();
    let told = Arc::clone(&tried);
    let decide = move |call: &Call| {
        if !call.role.starts_with(TEMPLATE) || !is_interpreter(call.pid) {
            return Verdict::Make;
        }
        before(call);
        if !calls.contains(&call.number) {
            return Verdict::Make;
        }
        told.lock().unwrap().entry((call.role.clone(), call.number)).or_default().again(errno)
    };
    let path = Scratch::new("refuse");
    let mut run = Intercepted::start(Host::command(env!("CARGO_BIN_EXE_host"), &["intercepted_python", &path]), decide);
    run.host.finish();
    for (step, usual) in USUAL {
        assert_eq!(run.host.facts()[step], usual, "{step}");
    }
    run.nobody_is_left_after(SOON);
    let tried = tried.lock().unwrap();
    for call in calls {
        let of_template = &tried[&(TEMPLATE.to_owned(), *call)];
        assert!(of_template.times >= 3, "{call}");
        let soonest = of_template.soonest.unwrap();
        // Reports may be tried again sooner, when there is something else to do.
        assert!(*call == Sysno::sendmsg || soonest >= Duration::from_millis(1), "{call} again after {soonest:?}");
    }
}

/// And not on its way there, which is another program's.
fn is_interpreter(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.to_string_lossy().contains("python"))
}

#[test]
fn without_memory_they_are_sent_and_received_later() {
    each_is_tried_again(libc::ENOMEM, &[Sysno::sendmsg, Sysno::sendto, Sysno::recvmsg], |_| {});
}

#[test]
fn without_buffers_they_are_sent_later() {
    each_is_tried_again(libc::ENOBUFS, &[Sysno::sendmsg, Sysno::sendto], |_| {});
}

#[test]
fn while_too_many_descriptors_are_under_way_they_are_sent_later() {
    each_is_tried_again(libc::ETOOMANYREFS, &[Sysno::sendmsg], |_| {});
}

/// As when a child has ended at that moment.
#[test]
fn the_same_when_a_signal_comes_first() {
    let signal_template = |call: &Call| {
        // Not each: its handler makes calls, too.
        if call.role == TEMPLATE && [Sysno::sendmsg, Sysno::recvmsg, Sysno::close].contains(&call.number) {
            signal(call.pid, Signal::CHILD);
            // Until it has left the call.
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    each_is_tried_again(libc::ENOMEM, &[Sysno::sendmsg, Sysno::recvmsg], signal_template);
}
