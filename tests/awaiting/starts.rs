//! Templates, workers and their ends.

use anyfork::{ErrorKind, Process, Worker};
use anyfork_tests::in_runtimes;
use futures::future::join_all;
use std::time::{Duration, Instant};

#[anyfork::entry]
pub(crate) fn code(code: u8) -> std::process::ExitCode {
    code.into()
}

#[anyfork::entry]
pub(crate) fn nap(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

#[anyfork::entry]
fn refuses() -> Result<(), &'static str> {
    Err("as it should")
}

in_runtimes! { all:
    a_template_a_start_and_an_end_can_be_awaited;
    an_end_can_be_awaited_again_and_from_two_places;
    many_are_awaited_at_once_and_told_apart;
    ends_that_take_long_are_awaited_side_by_side;
    a_start_that_fails_gives_its_typed_error;
    a_template_that_is_gone_fails_what_is_awaited_of_it;
}

async fn a_template_a_start_and_an_end_can_be_awaited() {
    let template = Process::new().start_template().await.unwrap();
    let nested = template.fork().call(nap, [1]).start_template().await.unwrap();
    for (process, expected) in [(template.fork(), 7), (nested.fork(), 8), (Process::new(), 9), (Process::exec(), 10)] {
        let worker = process.arg(expected).start(code).await.unwrap();
        assert_eq!(worker.exited().await.unwrap().code(), Some(expected));
    }
}

async fn an_end_can_be_awaited_again_and_from_two_places() {
    let worker = Process::new().arg(50).start(nap).await.unwrap();
    let (mut first, mut second) = (worker.exited(), worker.exited());
    let (one, other) = futures::join!(&mut first, &mut second);
    assert!(one.unwrap().success() && other.unwrap().success());
    assert!(first.await.unwrap().success() && worker.wait().unwrap().success(), "asked again");
}

async fn many_are_awaited_at_once_and_told_apart() {
    let template = Process::new().start_template().await.unwrap();
    let template = &template;
    let one = |n: u8| async move {
        let worker: Worker = template.fork().arg(n).start(code).await.unwrap();
        worker.exited().await.unwrap().code()
    };
    let codes = join_all((0..100).map(one)).await;
    assert_eq!(codes, (0..100).map(Some).collect::<Vec<_>>());
}

async fn ends_that_take_long_are_awaited_side_by_side() {
    let template = Process::new().start_template().await.unwrap();
    let begin = Instant::now();
    let template = &template;
    let one = |_| async move { template.fork().arg(300).start(nap).await.unwrap().exited().await.unwrap().success() };
    assert!(join_all((0..10).map(one)).await.into_iter().all(|success| success));
    assert!((300..2500).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

async fn a_start_that_fails_gives_its_typed_error() {
    let kind = |error: anyfork::Error| (error.kind(), error.raw_os_error());
    let error = Process::new().arg("eighty").start(code).await.unwrap_err();
    assert_eq!(kind(error), (ErrorKind::Inputs, None));
    let error = Process::new().start("awaiting::nowhere").await.unwrap_err();
    assert_eq!(kind(error), (ErrorKind::UnknownEntry, None));
    let error = Process::new().call(refuses, [""; 0]).start_template().await.unwrap_err();
    assert!(error.to_string().contains("as it should"), "{error}");
    assert_eq!(kind(error), (ErrorKind::Preparation, None));
    let error = anyfork::Command::new("/nope").start().await.unwrap_err();
    assert_eq!(kind(error), (ErrorKind::System, Some(libc::ENOENT)));
    let error = anyfork::Command::new("/nope").start_output().await.unwrap_err();
    assert_eq!(kind(error), (ErrorKind::System, Some(libc::ENOENT)));
    // It never began.
    let error = Process::new().name("\0").start(code).await.unwrap_err();
    assert_eq!(kind(error), (ErrorKind::InvalidInput, None));
}

async fn a_template_that_is_gone_fails_what_is_awaited_of_it() {
    let template = Process::new().start_template().await.unwrap();
    let pid = template.pid();
    anyfork_tests::stop(pid);
    let starts: Vec<_> = (0..5).map(|_| template.fork().arg(1).start(code)).collect();
    let mut all = join_all(starts);
    assert!(anyfork_tests::poll_once(&mut all).await.is_pending());
    anyfork_tests::signal(pid, rustix::process::Signal::KILL);
    for result in all.await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::TemplateGone);
    }
    assert_eq!(template.fork().arg(1).start(code).await.unwrap_err().kind(), ErrorKind::TemplateGone);
}
