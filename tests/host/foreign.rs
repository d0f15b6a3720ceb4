//! Handles that came into a fork of the host, used and dropped there.

use crate::namespace::{as_number_one, fork_as_another_number_one_and_wait};
use crate::{Outcome, entries, parked, release, say};
use anyfork::{Error, ErrorKind, Process, Starting, Template, Worker};

struct Handles {
    worker: Worker,
    killed_on_drop: Worker,
    template: Template,
    starting: Starting<Worker>,
    preparing: Process,
}

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        [] => handles(fork_and_wait),
        ["same-number"] => as_number_one(|| handles(fork_as_another_number_one_and_wait)),
        _ => Err("which fork?".into()),
    }
}

fn handles(fork: fn() -> libc::pid_t) -> Outcome {
    let template = Process::new().template()?;
    let handles = Handles {
        worker: parked(template.fork())?.0,
        killed_on_drop: parked(Process::new().kill_on_drop(true))?.0,
        starting: template.fork().call(nap, ["500"]).arg(6).start(entries::exit_with),
        preparing: template.fork().call(nap, ["500"]).arg(7),
        template,
    };
    if fork() == 0 {
        drop(handles);
        leave();
    }
    if fork() == 0 {
        in_the_fork(handles);
        leave();
    }
    in_the_program(handles)
}

/// fork(2), and in the program the end of that child.
pub(crate) fn fork_and_wait() -> libc::pid_t {
    // SAFETY: this program has one thread; it waits for its own child, and asks for no status.
    unsafe {
        let child = libc::fork();
        assert!(child == 0 || libc::waitpid(child, std::ptr::null_mut(), 0) == child);
        child
    }
}

pub(crate) fn leave() -> ! {
    // SAFETY: no preconditions.
    unsafe { libc::_exit(0) }
}

#[anyfork::entry]
fn nap(milliseconds: u64) {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}

pub(crate) fn shown<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => "worked".into(),
        Err(error) if error.kind() == ErrorKind::ForeignHandle => "foreign".into(),
        Err(error) => error.to_string(),
    }
}

fn in_the_fork(handles: Handles) {
    let Handles { worker, killed_on_drop, template, starting, preparing } = handles;
    say("wait", shown(worker.wait()));
    say("try_wait", shown(worker.try_wait()));
    say("exited", shown(worker.exited().try_finish()));
    say("signal", shown(worker.signal(libc::SIGTERM)));
    say("kill", shown(worker.kill()));
    say("fork", shown(template.fork().run(entries::nothing)));
    say("start", shown(starting.wait()));
    say("prepared", shown(preparing.run(entries::exit_with)));
    drop((worker, killed_on_drop, template));
    // It has a default template of its own.
    let own = Process::new().arg(8).run(entries::exit_with).and_then(|worker| worker.wait());
    say("own", own.map_or_else(|error| error.to_string(), |status| status.to_string()));
}

fn in_the_program(handles: Handles) -> Outcome {
    let Handles { worker, killed_on_drop, template, starting, preparing } = handles;
    say("lives", worker.try_wait()?.is_none() && killed_on_drop.try_wait()?.is_none());
    for (worker, code) in [(&worker, 4), (&killed_on_drop, 5)] {
        release(worker, code);
        say(&format!("code-{code}"), worker.wait()?.code().unwrap_or(-1));
    }
    say("forks", shown(template.fork().run(entries::nothing)));
    say("started", shown(starting.wait().and_then(|worker| worker.wait())));
    say("ran", shown(preparing.run(entries::exit_with).and_then(|worker| worker.wait())));
    Ok(())
}
