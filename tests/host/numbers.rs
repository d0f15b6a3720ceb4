//! Handles of processes whose numbers belong to somebody else by now.

use crate::faults::kind_of;
use crate::namespace::{Stranger, as_number_one, set_last};
use crate::{Outcome, entries, parked, release};
use anyfork::{Command, ErrorKind, Process, Stdio, Template, Worker};
use anyfork_tests::{LONG, all_end_soon, children, lives, signal, wait_until, within};
use rustix::process::Signal;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["worker"] => as_number_one(workers),
        ["program"] => as_number_one(programs),
        ["start", witness] => as_number_one(|| starts(witness)),
        ["template"] => as_number_one(template),
        ["default-template"] => as_number_one(default_template),
        ["orphan"] => as_number_one(orphan),
        _ => Err("whose number?".into()),
    }
}

fn workers() -> Outcome {
    let template = Process::new().template()?;
    for process in [Process::new(), Process::exec(), template.fork()] {
        let (worker, _) = parked(process.kill_on_drop(true))?;
        let exited = worker.exited();
        release(&worker, 7);
        let stranger = Stranger::instead_of(worker.pid());
        worker.signal(libc::SIGTERM)?;
        worker.kill()?;
        assert_eq!(worker.try_wait()?.and_then(|status| status.code()), Some(7));
        assert_eq!(exited.wait()?.code(), Some(7));
        stranger.assert_unharmed();
        stranger.end();
        worker.kill()?;
        worker.wait()?;
        drop(worker);
        stranger.assert_not_waited_for();
    }
    Ok(())
}

fn programs() -> Outcome {
    for leads in [false, true] {
        let mut command = Command::new("sh");
        command.args(["-c", "read line; exit 7"]).stdin(Stdio::piped()).kill_on_drop(true);
        if leads {
            command.process_group(0);
        }
        let mut child = command.spawn()?;
        drop(child.stdin.take());
        let stranger = Stranger::instead_of(child.id());
        child.signal(libc::SIGTERM)?;
        child.kill()?;
        if cfg!(not(anyfork_no_pidfd)) {
            drop(child.start_kill_tree());
            child.kill_tree()?;
        }
        assert_eq!(child.wait()?.code(), Some(7));
        stranger.assert_unharmed();
        stranger.end();
        drop(child);
        stranger.assert_not_waited_for();
    }
    Ok(())
}

/// A process that has ended in its preparation, and whose start is waited for or given up.
fn starts(witness: &str) -> Outcome {
    for (round, is_waited_for) in [false, true].into_iter().enumerate() {
        let path = format!("{witness}.{round}");
        let starting = Process::new().call(entries::prepare_for_ever, [&path]).start(entries::nothing);
        let text = within(LONG, "the preparation begins", || std::fs::read_to_string(&path).ok());
        let pid = text.parse()?;
        signal(pid, Signal::KILL);
        let stranger = Stranger::instead_of(pid);
        if is_waited_for {
            assert_eq!(starting.wait().map(|worker| worker.pid()).unwrap_err().kind(), ErrorKind::ProcessGone);
        } else {
            drop(starting);
        }
        // By then the template has followed all earlier orders.
        assert!(Process::new().run(entries::nothing)?.wait()?.success());
        stranger.assert_unharmed();
    }
    Ok(())
}

fn ends(worker: &Worker, code: u8) -> Outcome {
    release(worker, code);
    assert_eq!(worker.wait()?.code(), Some(code.into()));
    Ok(())
}

fn template() -> Outcome {
    let template = Process::new().template()?;
    let (worker, _) = parked(template.fork())?;
    let mut program = template.command("sleep");
    let mut program = program.arg("60").process_group(0).kill_on_drop(true).spawn()?;
    signal(template.pid(), Signal::KILL);
    let stranger = Stranger::instead_of(template.pid());
    assert_eq!(kind_of(template.fork().run(entries::nothing)), "TemplateGone");
    program.kill_tree()?;
    assert_eq!(program.wait()?.signal(), Some(libc::SIGKILL));
    stranger.assert_unharmed();
    stranger.end();
    ends(&worker, 5)?;
    drop(template);
    stranger.assert_not_waited_for();
    Ok(())
}

fn default_template() -> Outcome {
    let (worker, _) = parked(Process::new())?;
    let (another, _) = parked(Process::new())?;
    let [default] = children(std::process::id())[..] else { return Err("one default template".into()) };
    signal(default, Signal::KILL);
    assert!(wait_until(LONG, || !lives(default)));
    // Only now its number is free: it was a child of this program.
    assert!(Process::new().run(entries::nothing)?.wait()?.success());
    let stranger = Stranger::instead_of(default);
    ends(&worker, 6)?;
    stranger.assert_unharmed();
    stranger.end();
    ends(&another, 7)?;
    assert!(Process::new().run(entries::nothing)?.wait()?.success());
    drop((worker, another));
    stranger.assert_not_waited_for();
    Ok(())
}

/// Two workers of one number, whose templates were killed. Nobody has asked for the end of the first.
fn orphan() -> Outcome {
    let first = Process::new().template()?;
    let (worker, _) = parked(first.fork())?;
    let number = worker.pid();
    signal(first.pid(), Signal::KILL);
    all_end_soon(&[first.pid()]);
    release(&worker, 1);
    drop(worker);
    let second = Process::new().template()?;
    let (ends, lives_on) = std::io::pipe()?;
    for _ in 0..MANY {
        drop(second.fork().arg(0).fd(&ends).run(entries::stay_until_end)?);
    }
    let worker = with_number(&second, number)?;
    drop(lives_on);
    // Its template waits for it, and cannot say so: nobody reads the many reports before.
    release(&worker, 42);
    assert!(wait_until(LONG, || children(second.pid()).is_empty()));
    signal(second.pid(), Signal::KILL);
    all_end_soon(&[second.pid()]);
    assert_eq!(worker.wait()?.code(), Some(42));
    Ok(())
}

/// More reports than a socket has room for.
const MANY: usize = 600;

fn with_number(template: &Template, number: u32) -> anyfork::Result<Worker> {
    for _ in 0..100 {
        set_last(number - 1);
        let (worker, _) = parked(template.fork().kill_on_drop(true))?;
        if worker.pid() == number {
            return Ok(worker);
        }
    }
    panic!("nobody got number {number}")
}
