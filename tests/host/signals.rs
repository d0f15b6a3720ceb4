//! Hosts that do with signals and waiting what they like, and what their workers see of it.

use crate::{Outcome, entries, list, origin, parked, pause, release, say};
use anyfork::{Command, Process, Stdio, Template};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How often a handler ran.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// Whom the waiting thread got.
static WAITED_FOR: Mutex<Vec<i32>> = Mutex::new(Vec::new());

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["ignore"] => {
            set(libc::SIGCHLD, libc::SIG_IGN);
            say("wrong", wrong_statuses(20)?);
        }
        ["no-zombies"] => {
            set_with(libc::SIGCHLD, count as *const () as usize, libc::SA_NOCLDWAIT);
            say("wrong", wrong_statuses(20)?);
            say("calls", CALLS.load(Ordering::Relaxed));
            say("template-again", killed_default_template()?);
        }
        ["handler"] => {
            set(libc::SIGCHLD, count as *const () as usize);
            say("wrong", wrong_statuses(20)?);
            say("calls", CALLS.load(Ordering::Relaxed));
        }
        ["wait"] => {
            std::thread::spawn(wait_for_any);
            say("wrong", wrong_statuses(200)?);
            say("waited-for", list(WAITED_FOR.lock().unwrap().iter()));
        }
        ["timer"] => {
            set(libc::SIGALRM, count as *const () as usize);
            every_millisecond();
            say("wrong", wrong_statuses(1000)?);
            say("wrong-outputs", wrong_outputs(100)?);
            say("calls", CALLS.load(Ordering::Relaxed));
        }
        ["state", kind] => state(kind)?,
        _ => return Err("signals of what?".into()),
    }
    Ok(())
}

extern "C" fn count(_: libc::c_int) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Without SA_RESTART: system calls are interrupted.
fn set(signal: libc::c_int, handler: usize) {
    set_with(signal, handler, 0);
}

fn set_with(signal: libc::c_int, handler: usize, flags: libc::c_int) {
    // SAFETY: an action of zeros is a valid one; the handler touches an atomic alone.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

fn every_millisecond() {
    let tick = libc::timeval { tv_sec: 0, tv_usec: 1000 };
    let timer = libc::itimerval { it_interval: tick, it_value: tick };
    // SAFETY: an initialised timer.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) }, 0);
}

fn wait_for_any() {
    loop {
        // SAFETY: no status is asked for.
        match unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } {
            -1 => std::thread::sleep(Duration::from_micros(100)),
            pid => WAITED_FOR.lock().unwrap().push(pid),
        }
    }
}

/// Starts and ends workers of three origins, ten at a time; how many of the exit codes are not theirs.
fn wrong_statuses(count: u32) -> anyfork::Result<u32> {
    let template = Process::new().template()?;
    let mut wrong = 0;
    for batch in (0..count).step_by(10) {
        let start = |number: u32| {
            let process = match number % 20 {
                0 => Process::exec(),
                1..10 => Process::new(),
                _ => template.fork(),
            };
            let code = (number % 251) as u8;
            process.arg(code).run(entries::exit_with).map(|worker| (worker, code))
        };
        let workers = (batch..batch + 10).map(start).collect::<Result<Vec<_>, _>>()?;
        for (worker, code) in workers {
            wrong += u32::from(worker.wait()?.code() != Some(code.into()));
        }
    }
    Ok(wrong)
}

/// Programs that give back all that they are sent; of how many it is something else.
fn wrong_outputs(count: u32) -> Result<u32, Box<dyn std::error::Error>> {
    let mut wrong = 0;
    for number in 0..count {
        let sent = format!("{number} ").repeat(20_000);
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().ok_or("no pipe")?;
        let output = std::thread::scope(|scope| {
            scope.spawn(|| {
                stdin.write_all(sent.as_bytes()).unwrap();
                drop(stdin);
            });
            child.wait_with_output()
        })?;
        wrong += u32::from(!output.status.success() || output.stdout != sent.as_bytes());
    }
    Ok(wrong)
}

/// The kernel waits for it by itself.
fn killed_default_template() -> Result<bool, Box<dyn std::error::Error>> {
    let (worker, _) = parked(Process::new())?;
    let default = anyfork_tests::children(std::process::id())[0];
    anyfork_tests::signal(default, rustix::process::Signal::KILL);
    anyfork_tests::all_end_soon(&[default]);
    let works = Process::new().run(entries::nothing)?.wait()?.success();
    worker.kill()?;
    Ok(works)
}

/// A host that blocks, ignores and handles signals.
fn state(kind: &str) -> Outcome {
    set(libc::SIGUSR1, libc::SIG_IGN);
    set(libc::SIGCHLD, libc::SIG_IGN);
    set(libc::SIGTERM, libc::SIG_IGN);
    set(libc::SIGUSR2, count as *const () as usize);
    // SAFETY: sigfillset initialises the set.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
    }
    let (process, _template): (Process, Option<Template>) = origin(kind)?;
    let (worker, _) = parked(process)?;
    say("worker", worker.pid());
    pause("ready");
    release(&worker, 0);
    worker.wait()?;
    Ok(())
}
