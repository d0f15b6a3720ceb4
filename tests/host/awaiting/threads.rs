//! Which threads the program has after much use.

use super::nap;
use crate::{Outcome, entries, say};
use anyfork::{Command, Process};
use anyfork_tests::{Where, timeout};
use futures::future::join_all;
use std::time::Duration;

fn tell() {
    let names = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = names.map(|task| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default());
    let mut names: Vec<String> = names.map(|name| name.trim().replace(' ', "-")).collect();
    names.sort();
    say("threads", names.join(" "));
}

pub(super) fn run(place: Where) -> Outcome {
    place.run(async {
        let template = Process::new().start_template().await?;
        let template = &template;
        let one = |n: u8| async move { template.fork().arg(n).start(entries::exit_with).await?.exited().await };
        for result in join_all((0..50).map(one)).await {
            result?;
        }
        let output = |n: u8| async move { Command::new("echo").arg(n.to_string()).start_output().await };
        for result in join_all((0..20).map(output)).await {
            result?;
        }
        Command::new("true").start_status().await?;
        for _ in 0..20 {
            let start = template.fork().call(nap, [60_000]).start(entries::nothing);
            assert!(timeout(Duration::from_millis(2), start).await.is_none());
        }
        let failed = template.fork().call(nap, [60_000]).deadline(Duration::from_millis(50));
        assert!(failed.start(entries::nothing).await.is_err());
        tell();
        Ok(())
    })
}

pub(super) fn blocking() -> Outcome {
    let template = Process::new().template()?;
    for code in 0..50 {
        template.fork().arg(code).run(entries::exit_with)?.wait()?;
    }
    Command::new("true").start_output().wait()?;
    Command::new("true").spawn()?.into_output().wait()?;
    tell();
    Ok(())
}
