//! Signals that programs block and ignore.

use super::Seen;
use std::path::Path;

super::cases![
    programs_begin_with_default_signals,
    signals_can_be_inherited,
    signals_are_those_of_the_time_of_the_call,
    a_broken_pipe_ends_a_program_whatever_the_caller_does_with_it,
    real_time_signals_are_inherited,
    handled_signals_are_not_inherited,
    blocked_signals_are_those_of_the_calling_thread,
];

/// Asks for what std always does.
pub(super) trait AsStd {
    fn as_std(&mut self) -> &mut Self;
}

impl AsStd for std::process::Command {
    fn as_std(&mut self) -> &mut Self {
        self
    }
}

impl AsStd for anyfork::Command {
    fn as_std(&mut self) -> &mut Self {
        self.inherit_signals(true)
    }
}

/// The numbers of the signals that `cat /proc/self/status` shows as blocked, ignored and handled.
fn sets(status: &[u8]) -> String {
    // Signals 32 and 33, which glibc keeps for itself: its posix_spawn leaves them ignored, and nobody can change that.
    const OF_THE_C_LIBRARY: u64 = 3 << 31;
    let text = str::from_utf8(status).unwrap();
    let set = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let bits = u64::from_str_radix(line.trim(), 16).unwrap() & !OF_THE_C_LIBRARY;
        let numbers = (1..=64).filter(|number| bits >> (number - 1) & 1 == 1);
        numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
    };
    format!("blocked [{}] ignored [{}] handled [{}]", set("SigBlk:"), set("SigIgn:"), set("SigCgt:"))
}

const STATUS: &str = "/proc/self/status";

fn dispose(signal: libc::c_int, what: libc::sighandler_t) {
    // SAFETY: the handler, if it is one, does nothing.
    assert_ne!(unsafe { libc::signal(signal, what) }, libc::SIG_ERR);
}

extern "C" fn nothing(_: libc::c_int) {}

fn block(signals: &[libc::c_int]) {
    // SAFETY: sigemptyset initialises the set.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        signals.iter().for_each(|signal| assert_eq!(libc::sigaddset(&mut set, *signal), 0));
        assert_eq!(libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut()), 0);
    }
}

fn disturb() {
    block(&[libc::SIGUSR1]);
    dispose(libc::SIGHUP, libc::SIG_IGN);
}

/// Those of std inherit.
fn programs_begin_with_default_signals(_: &Path) -> Seen {
    disturb();
    super::alone! { sets(&Command::new("cat").arg(STATUS).output().unwrap().stdout) }
}

fn signals_can_be_inherited(_: &Path) -> Seen {
    disturb();
    super::both! { sets(&Command::new("cat").as_std().arg(STATUS).output().unwrap().stdout) }
}

fn signals_are_those_of_the_time_of_the_call(_: &Path) -> Seen {
    super::both! {
        let mut command = Command::new("cat");
        command.as_std().arg(STATUS);
        disturb();
        let disturbed = sets(&command.output().unwrap().stdout);
        block(&[]);
        dispose(libc::SIGHUP, libc::SIG_DFL);
        format!("{disturbed}, {}", sets(&command.output().unwrap().stdout))
    }
}

fn a_broken_pipe_ends_a_program_whatever_the_caller_does_with_it(_: &Path) -> Seen {
    super::both! {
        let seen = [libc::SIG_IGN, libc::SIG_DFL].map(|what| {
            dispose(libc::SIGPIPE, what);
            let plain = sets(&Command::new("cat").arg(STATUS).output().unwrap().stdout);
            let inherited = sets(&Command::new("cat").as_std().arg(STATUS).output().unwrap().stdout);
            let mut child = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let seen = [plain, inherited].map(|sets| sets.contains("ignored []"));
            format!("{} {seen:?}", super::shown(child.wait()))
        });
        seen.join(", ")
    }
}

fn real_time_signals_are_inherited(_: &Path) -> Seen {
    block(&[34, 64]);
    dispose(35, libc::SIG_IGN);
    dispose(64, libc::SIG_IGN);
    super::both! { sets(&Command::new("cat").as_std().arg(STATUS).output().unwrap().stdout) }
}

fn handled_signals_are_not_inherited(_: &Path) -> Seen {
    dispose(libc::SIGUSR2, nothing as *const () as libc::sighandler_t);
    dispose(libc::SIGTERM, nothing as *const () as libc::sighandler_t);
    super::both! { sets(&Command::new("cat").as_std().arg(STATUS).output().unwrap().stdout) }
}

fn blocked_signals_are_those_of_the_calling_thread(_: &Path) -> Seen {
    block(&[libc::SIGUSR1]);
    let in_a_thread = || {
        block(&[libc::SIGUSR2]);
        super::both! { sets(&Command::new("cat").as_std().arg(STATUS).output().unwrap().stdout) }
    };
    std::thread::spawn(in_a_thread).join().unwrap()
}
