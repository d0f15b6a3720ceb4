//! Futures that lose a race: those that are dropped are given up, those that are polled by reference lose nothing.

use super::starts::{code, nap};
use anyfork::{Command, Process};
use anyfork_tests::{Scratch, children, in_runtimes, lives, poll_once, sleep, timeout, wait_until};
use std::fs;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

in_runtimes! { all:
    what_loses_by_reference_loses_nothing;
    what_loses_by_value_is_given_up;
    what_is_timed_out_by_reference_goes_on;
    an_end_that_is_dropped_changes_nothing_for_the_worker;
    a_dropped_end_of_a_program_kills_it_however_far_it_is;
}

/// Races a future with a clock until it has won.
macro_rules! wins_at_last {
    ($future:expr) => {{
        let mut future = $future;
        let mut lost = 0;
        let won = loop {
            tokio::select! {
                result = &mut future => break result.unwrap(),
                () = sleep(MOMENT) => lost += 1,
            }
        };
        (won, lost)
    }};
}

async fn what_loses_by_reference_loses_nothing() {
    let template = Process::new().start_template().await.unwrap();
    let (worker, lost) = wins_at_last!(template.fork().call(nap, [50]).arg(7).start(code));
    assert!(lost > 1, "the preparation alone takes 50 ms");
    let (status, _) = wins_at_last!(worker.exited());
    assert_eq!(status.code(), Some(7));
    let (nested, lost) = wins_at_last!(template.fork().call(nap, [50]).start_template());
    assert!(lost > 1);
    assert!(nested.fork().arg(1).start(nap).await.unwrap().exited().await.unwrap().success());
    let script = "for i in 1 2 3 4 5; do head -c 200000 /dev/zero; sleep 0.02; done; exit 3";
    let (output, lost) = wins_at_last!(Command::new("sh").args(["-c", script]).start_output());
    assert!(lost > 1);
    assert_eq!((output.stdout.len(), output.status.code()), (1_000_000, Some(3)));
    let (child, _) = wins_at_last!(Command::new("sh").args(["-c", "sleep 0.05; exit 4"]).start());
    assert_eq!(wins_at_last!(child.exited()).0.code(), Some(4));
    let (status, lost) = wins_at_last!(Command::new("sh").args(["-c", "sleep 0.05; exit 5"]).start_status());
    assert!(lost > 1 && status.code() == Some(5));
}

async fn what_loses_by_value_is_given_up() {
    let template = Process::new().start_template().await.unwrap();
    let sign = Scratch::new("sign");
    let script = format!("sleep 0.5; touch {}", &*sign);
    tokio::select! {
        _ = template.fork().call(nap, [60_000]).start(code) => panic!("a start in no time"),
        _ = template.fork().call(nap, [60_000]).start_template() => panic!("a template in no time"),
        _ = template.command("sh").args(["-c", &script]).start_status() => panic!("an end in no time"),
        _ = template.command("sh").args(["-c", &script]).start_output() => panic!("an output in no time"),
        () = sleep(Duration::from_millis(100)) => {}
    }
    assert!(wait_until(Duration::from_secs(5), || children(template.pid()).is_empty()), "something goes on");
    assert!(!fs::exists(&*sign).unwrap());
    assert_eq!(template.fork().arg(2).start(code).await.unwrap().exited().await.unwrap().code(), Some(2));
}

async fn what_is_timed_out_by_reference_goes_on() {
    let template = Process::new().start_template().await.unwrap();
    let mut starting = template.fork().call(nap, [100]).arg(6).start(code);
    assert!(timeout(Duration::from_millis(10), &mut starting).await.is_none());
    let worker = timeout(Duration::from_secs(10), &mut starting).await.unwrap().unwrap();
    assert_eq!(worker.exited().await.unwrap().code(), Some(6));
}

async fn an_end_that_is_dropped_changes_nothing_for_the_worker() {
    let worker = Process::new().arg(200).start(nap).await.unwrap();
    drop(worker.exited());
    let mut exited = worker.exited();
    assert!(poll_once(&mut exited).await.is_pending());
    drop(exited);
    assert!(timeout(Duration::from_millis(20), worker.exited()).await.is_none());
    assert!(lives(worker.pid()));
    assert!(worker.exited().await.unwrap().success());
}

async fn a_dropped_end_of_a_program_kills_it_however_far_it_is() {
    let file = Scratch::new("pid");
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > $FILE.new; mv $FILE.new $FILE; exec sleep 60"]).env("FILE", &*file);
    for output in [false, true] {
        let running = async {
            while !fs::exists(&*file).unwrap() {
                sleep(MOMENT).await
            }
        };
        match output {
            false => tokio::select! { _ = command.start_status() => panic!("it ended"), () = running => {} },
            true => tokio::select! { _ = command.start_output() => panic!("it ended"), () = running => {} },
        }
        let pid = fs::read_to_string(&*file).unwrap().trim().parse().unwrap();
        assert!(wait_until(Duration::from_secs(5), || !lives(pid)), "it goes on, output: {output}");
        fs::remove_file(&*file).unwrap();
    }
}
