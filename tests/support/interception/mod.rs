//! The host program with each of its system calls in the hands of the test, and those of all processes that come from it: the test may kill or stop
//! a process before a call is made, or let the call fail.
//!
//! Not by failpoints compiled into the library: this is the library as it is released, and every call, of the C library and the loader too, instead of those
//! that somebody has thought of. And not by ptrace(2), under which waiting for processes and their pidfds is another thing.

mod errnos;
mod listener;

use crate::{Host, skipped, stat, within};
pub use listener::begin;
use listener::{Answer, Listener};
use rustix::process::{Pid, PidfdFlags, Signal};
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;
pub use syscalls::Sysno;

/// Whether a kernel can do that. If not, the reason is printed.
pub fn is_possible() -> bool {
    let can = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").is_ok_and(|all| all.contains("user_notif"));
    if !can {
        skipped("it takes system calls that are told to somebody else (seccomp_unotify(2))");
    }
    can
}

/// A system call that is about to be made.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which one.
    pub number: Sysno,
    /// Its arguments, as they stand in the registers.
    pub arguments: [u64; 6],
    /// Who makes it, by descent: the host is `0`, its first child `0.1`, the second child of that one `0.1.2`.
    pub role: String,
    /// The number of that process.
    pub pid: u32,
}

/// What is to become of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Make,
    /// It is not made, and fails with this errno.
    Fail(i32),
    /// Its process is killed, and does not make it.
    Kill,
    /// Its process is stopped, and makes it when it is continued.
    Stop,
}

/// A host whose system calls are decided about, one after the other. Its scenario has to [`begin`] with that.
#[derive(Debug)]
pub struct Intercepted {
    /// The host itself.
    pub host: Host,
    steering: UnixStream,
    supervisor: JoinHandle<()>,
}

impl Intercepted {
    /// Starts it. `decide` is asked about each call, on a thread of its own; again only about one whose process it has stopped.
    pub fn start(mut command: Command, decide: impl FnMut(&Call) -> Verdict + Send + 'static) -> Self {
        let (steering, theirs) = UnixStream::pair().unwrap();
        let host = Host::start({
            command.stdin(Stdio::from(OwnedFd::from(theirs)));
            command
        });
        let (listening, pid) = (steering.try_clone().unwrap(), host.pid());
        let supervise = move || {
            if let Some(listener) = Listener::receive(listening) {
                Supervisor { listener, decide, kin: Kin::of(pid), unheard: HashMap::new() }.run();
            }
        };
        Intercepted { host, steering, supervisor: std::thread::spawn(supervise) }
    }

    /// Lets the host go on that waits for it.
    pub fn go(&mut self) {
        self.steering.write_all(b"\n").unwrap();
    }

    /// Waits until no process is left that came from the host, itself included, wherever it may be: the kernel says so.
    pub fn nobody_is_left_after(&self, limit: Duration) {
        within(limit, "the end of all that came from the host", || self.supervisor.is_finished().then_some(()));
    }
}

struct Supervisor<F> {
    listener: Listener,
    decide: F,
    kin: Kin,
    /// Of calls to whose processes a signal has come before the answer: when it has been handled, they are told again.
    unheard: HashMap<u32, (libc::seccomp_data, Answer)>,
}

impl<F: FnMut(&Call) -> Verdict> Supervisor<F> {
    fn run(mut self) {
        while let Some(told) = self.listener.next() {
            if let Some(answer) = self.take_unheard(&told) {
                self.answer(&told, answer);
                continue;
            }
            let number = Sysno::new(told.data.nr as usize).expect("a known system call");
            let role = self.kin.role(told.pid);
            let call = Call { number, arguments: told.data.args, role, pid: told.pid };
            match (self.decide)(&call) {
                Verdict::Make => self.answer(&told, Answer::Make),
                Verdict::Fail(errno) => self.answer(&told, Answer::Fail(errno)),
                Verdict::Kill => self.signal(&told, Signal::KILL),
                // The wait for the answer is interrupted; the call is told again when the process is continued.
                Verdict::Stop => self.signal(&told, Signal::STOP),
            }
        }
    }

    fn answer(&mut self, told: &libc::seccomp_notif, answer: Answer) {
        if !self.listener.answer(told, answer) {
            self.unheard.insert(told.pid, (told.data, answer));
        }
    }

    /// Other calls, of the handler, may come before.
    fn take_unheard(&mut self, told: &libc::seccomp_notif) -> Option<Answer> {
        let same = |call: &libc::seccomp_data| (call.nr, call.args) == (told.data.nr, told.data.args);
        self.unheard.get(&told.pid).filter(|(call, _)| same(call))?;
        self.unheard.remove(&told.pid).map(|(_, answer)| answer)
    }

    fn signal(&self, told: &libc::seccomp_notif, signal: Signal) {
        let pid = Pid::from_raw(told.pid as i32).expect("the number of a process");
        let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
        if self.listener.still_waits(told) {
            let _ = rustix::process::pidfd_send_signal(pidfd, signal);
        }
    }
}

/// The processes by descent. They are named when they are first heard of, so this holds as long as parents live and make one at a time.
struct Kin {
    roles: HashMap<u32, String>,
    children: HashMap<String, u32>,
}

impl Kin {
    fn of(host: u32) -> Self {
        Kin { roles: HashMap::from([(host, "0".to_owned())]), children: HashMap::new() }
    }

    fn role(&mut self, pid: u32) -> String {
        if let Some(role) = self.roles.get(&pid) {
            return role.clone();
        }
        let parent = stat(pid).and_then(|stat| self.roles.get(&stat.parent)).map_or("?", String::as_str);
        let number = self.children.entry(parent.to_owned()).or_default();
        *number += 1;
        let role = format!("{parent}.{number}");
        self.roles.insert(pid, role.clone());
        role
    }
}
