//! Futures of each kind that are dropped at all moments.

use super::nap;
use crate::{Outcome, entries, pause, say};
use anyfork::{Command, Process, Template};
use anyfork_tests::{LONG, Where, children, open_files, poll_once, timeout, within};
use std::pin::Pin;
use std::time::Duration;

type Whole = Pin<Box<dyn Future<Output = bool>>>;

const ROUNDS: u64 = 100;

/// Something under way, and its whole course. Whoever has what comes out of it does not want it for long.
fn under_way(kind: &str, template: &Template) -> Whole {
    let shell = |script: &str| {
        let mut command = template.command("sh");
        command.args(["-c", script]).kill_on_drop(true);
        command
    };
    let worker = template.fork().kill_on_drop(true);
    match kind {
        "worker" => whole(worker.arg(60_000).start(nap)),
        "prepared" => whole(worker.call(nap, [1]).arg(60_000).start(nap)),
        "template" => whole(template.fork().start_template()),
        "program" => whole(shell("exec sleep 60").start()),
        "status" => whole(shell("exit 0").start_status()),
        "output" => whole(shell("echo a; echo b >&2").start_output()),
        "into_output" => whole(piped(shell("echo a; echo b")).spawn().unwrap().into_output()),
        "exited" => {
            let worker = worker.arg(1).run(nap).unwrap();
            let exited = worker.exited();
            Box::pin(async move {
                let _worker = worker;
                exited.await.is_ok()
            })
        }
        _ => panic!("no kind {kind}"),
    }
}

fn piped(mut command: Command) -> Command {
    command.stdout(anyfork::Stdio::piped());
    command
}

fn whole<T: 'static>(future: impl Future<Output = anyfork::Result<T>> + 'static) -> Whole {
    Box::pin(async { future.await.is_ok() })
}

/// What is open here and in the templates.
fn open(pids: &[u32]) -> Vec<Vec<String>> {
    pids.iter().map(|pid| open_files(*pid)).collect()
}

pub(super) fn run(place: Where, kind: &str) -> Outcome {
    place.run(async {
        let template = Process::new().start_template().await?;
        let pids = [std::process::id(), children(std::process::id())[0], template.pid()];
        // What is made once is there after this.
        assert!(under_way(kind, &template).await);
        assert!(timeout(Duration::from_millis(1), under_way("prepared", &template)).await.is_none_or(|done| done));
        let settled = |what: &str| {
            within(LONG, what, || children(template.pid()).is_empty().then_some(()));
            // What has ended may still be reported.
            std::thread::sleep(Duration::from_millis(100));
            open(&pids)
        };
        let before = settled("all is quiet");
        drop_at_all_moments(kind, &template).await;
        let after = settled("what was dropped is gone");
        say("descriptors", if after == before { "same".into() } else { format!("{before:?} became {after:?}") });
        let worker = template.fork().arg(7).start(entries::exit_with).await?;
        say("code", worker.exited().await?.code().unwrap_or(-1));
        pause("look");
        Ok(())
    })
}

async fn drop_at_all_moments(kind: &str, template: &Template) {
    let (mut finished, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        drop(under_way(kind, template));
        let mut polled = under_way(kind, template);
        let mut is_lost = poll_once(&mut polled).await.is_pending();
        // Meanwhile the others go on; this task looks again or does not.
        std::thread::sleep(Duration::from_micros(round * 40));
        if is_lost && round % 2 == 0 {
            is_lost = poll_once(&mut polled).await.is_pending();
        }
        drop(polled);
        lost += u32::from(is_lost);
        match timeout(Duration::from_micros(round * 60), under_way(kind, template)).await {
            Some(good) => {
                assert!(good, "{kind} failed");
                finished += 1;
            }
            None => lost += 1,
        }
    }
    say("finished", finished);
    say("lost", lost);
}
