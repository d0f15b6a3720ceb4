//! A fork of the program has copies of what is pending, and of the event loop that waits for it.

use super::nap;
use crate::{Outcome, entries, say};
use anyfork::{Command, ErrorKind, Pending, Process};
use anyfork_tests::{Where, poll_for_nobody, timeout};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::{Duration, Instant};

/// Longer than what is waited for takes, and less than a deadline.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) fn run(place: Where, kind: &str) -> Outcome {
    // Of its default template the fork would have none, so the program has to have one first.
    let template = Process::new().template()?;
    match kind {
        "start" => disturbed(place, || template.fork().call(nap, [400]).arg(5).start(entries::exit_with), |_| true),
        "exited" => disturbed(place, || template.fork().arg(400).run(nap).unwrap().exited(), |status| status.success()),
        "status" => disturbed(place, || script().start_status(), |status| status.code() == Some(3)),
        "output" => disturbed(place, || script().start_output(), |output| output.stdout == b"a\nb\n"),
        _ => Err("which kind?".into()),
    }
}

fn script() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "echo a; sleep 0.4; echo b; exit 3"]);
    command
}

/// A fork drops, or awaits and drops, what the program has begun to wait for, in its event loop and by poll(2).
fn disturbed<P>(place: Where, make: impl Fn() -> P, is_right: impl Fn(<P as Pending>::Value) -> bool) -> Outcome
where
    P: Pending + Future<Output = anyfork::Result<<P as Pending>::Value>> + Unpin,
{
    for awaits in [false, true] {
        let key = if awaits { "awaited" } else { "dropped" };
        let (said, result) = place.run(async {
            let mut pending = Some(make());
            assert!(timeout(Duration::from_millis(100), pending.as_mut().unwrap()).await.is_none());
            let said = in_a_fork(|| use_up(pending.take().unwrap(), awaits));
            (said, timeout(LIMIT, pending.unwrap()).await)
        });
        say(&format!("{key}-in-fork"), said);
        say(&format!("{key}-in-loop"), shown(result, &is_right));
        let mut pending = Some(make());
        assert!(readable_and_there(pending.as_mut().unwrap(), Duration::from_millis(100)).is_none());
        let said = in_a_fork(|| use_up(pending.take().unwrap(), awaits));
        say(&format!("{key}-in-fork-of-poll"), said);
        say(&format!("{key}-by-poll"), shown(readable_and_there(&mut pending.unwrap(), LIMIT), &is_right));
    }
    Ok(())
}

fn shown<T>(result: Option<anyfork::Result<T>>, is_right: impl Fn(T) -> bool) -> String {
    match result {
        None => "nothing came".into(),
        Some(Ok(value)) => if is_right(value) { "right" } else { "wrong" }.into(),
        Some(Err(error)) => error.to_string(),
    }
}

/// In the fork.
fn use_up<P>(mut pending: P, awaits: bool) -> &'static str
where
    P: Pending + Future<Output = anyfork::Result<<P as Pending>::Value>> + Unpin,
{
    if !awaits {
        return "dropped";
    }
    match poll_for_nobody(&mut pending) {
        std::task::Poll::Ready(Err(error)) if error.kind() == ErrorKind::ForeignHandle => "foreign",
        std::task::Poll::Ready(_) => "something else",
        std::task::Poll::Pending => "pending",
    }
}

/// What poll(2) leads to within a time.
fn readable_and_there<P: Pending>(pending: &mut P, limit: Duration) -> Option<anyfork::Result<P::Value>> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        if poll(&mut [PollFd::new(&*pending, PollFlags::IN)], Some(&left)).unwrap() > 0
            && let Some(result) = pending.try_finish().transpose()
        {
            return Some(result);
        }
    }
    None
}

/// Runs `what` in a fork of this program, and returns what it says.
fn in_a_fork(what: impl FnOnce() -> &'static str) -> String {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: the fork uses nothing that another thread of this program could hold: that of async-io sleeps.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(reader);
        let said = what();
        let _ = std::io::Write::write_all(&mut writer, said.as_bytes());
        // SAFETY: no preconditions.
        unsafe { libc::_exit(0) }
    }
    drop(writer);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut reader, &mut said).unwrap();
    // SAFETY: its own child; no status is asked for.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
    said
}
