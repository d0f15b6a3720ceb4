//! Entries that are `async fn`: each runtime is built in the new process, after the fork.

use anyfork::{ErrorKind, Process, Template};
use anyfork_tests::{Scratch, answer};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, RuntimeFlavor};

/// The runtime that is here, its threads, and what was sent; after a wait by its timers, in a task of its own.
async fn tell_tokio(mut socket: UnixStream, number: u32) -> std::io::Result<()> {
    let task = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        number + 1
    });
    let number = task.await?;
    let flavor = match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => "current",
        _ => "multi",
    };
    write!(socket, "{flavor} {} {number}", Handle::current().metrics().num_workers())
}

#[anyfork::entry(tokio)]
async fn in_tokio(socket: UnixStream, number: u32) -> std::io::Result<()> {
    tell_tokio(socket, number).await
}

#[anyfork::entry(tokio)]
async fn never_returns() -> ! {
    tokio::time::sleep(Duration::from_millis(5)).await;
    std::process::exit(9)
}

#[anyfork::entry(tokio(flavor = "current_thread"))]
async fn in_current_thread(socket: UnixStream, number: u32) -> std::io::Result<()> {
    tell_tokio(socket, number).await
}

#[anyfork::entry(tokio(flavor = "multi_thread", worker_threads = 3))]
async fn in_three_threads(socket: UnixStream, number: u32) -> std::io::Result<()> {
    tell_tokio(socket, number).await
}

#[anyfork::entry(tokio(flavor = "multi_thread"))]
async fn in_threads(socket: UnixStream, number: u32) -> std::io::Result<()> {
    tell_tokio(socket, number).await
}

#[anyfork::entry(smol)]
async fn in_smol(mut socket: UnixStream, number: u32) -> std::io::Result<()> {
    async_io::Timer::after(Duration::from_millis(5)).await;
    let runtime = if Handle::try_current().is_ok() { "tokio" } else { "none" };
    write!(socket, "{runtime} {}", number + 1)
}

#[test]
fn an_async_entry_may_never_return() {
    assert_eq!(Process::new().run(never_returns).unwrap().wait().unwrap().code(), Some(9));
}

#[test]
fn an_async_entry_runs_in_the_runtime_that_it_names() {
    let threads = std::thread::available_parallelism().unwrap();
    let template = Process::new().blocking_socket(true).template().unwrap();
    let run = |worker: anyfork::Result<anyfork::Worker>| {
        let worker = worker.unwrap();
        let said = answer(&worker);
        assert!(worker.wait().unwrap().success());
        said
    };
    let process = || template.fork().blocking_socket(true).arg(41);
    assert_eq!(run(process().run(in_tokio)), "current 1 42");
    assert_eq!(run(process().run(in_current_thread)), "current 1 42");
    assert_eq!(run(process().run(in_three_threads)), "multi 3 42");
    assert_eq!(run(process().run(in_threads)), format!("multi {threads} 42"));
    assert_eq!(run(process().run(in_smol)), "none 42");
}

macro_rules! outcomes {
    ($module:ident, $($runtime:tt)+) => {
        mod $module {
            use std::process::ExitCode;

            #[anyfork::entry($($runtime)+)]
            pub(crate) async fn fails(witness: std::fs::File) -> Result<(), String> {
                // Where a program's errors go, but to a file.
                rustix::stdio::dup2_stderr(witness).map_err(|error| error.to_string())?;
                Err("it came to nothing".into())
            }

            #[anyfork::entry($($runtime)+)]
            pub(crate) async fn code(code: u8) -> ExitCode {
                code.into()
            }

            #[anyfork::entry($($runtime)+)]
            pub(crate) async fn panics() {
                panic!("at the disco");
            }

            #[test]
            fn an_async_entry_ends_as_what_it_returns_says() {
                let witness = anyfork_tests::Scratch::new("errors");
                let file = std::fs::File::create(&*witness).unwrap();
                let status = |worker: anyfork::Result<anyfork::Worker>| worker.unwrap().wait().unwrap().code();
                assert_eq!(status(super::process().fd(&file).run(fails)), Some(1));
                assert!(std::fs::read_to_string(&*witness).unwrap().contains("it came to nothing"));
                assert_eq!(status(super::process().arg(77).run(code)), Some(77));
                assert_eq!(status(super::process().run(panics)), Some(101));
            }

            #[test]
            fn an_async_entry_is_given_what_does_not_fit_as_an_error() {
                let error = super::process().arg("eighty").run(code).unwrap_err();
                assert_eq!(error.kind(), anyfork::ErrorKind::Inputs, "{error}");
            }

            #[test]
            fn an_async_entry_can_be_called_here() {
                let shown = |code: ExitCode| format!("{code:?}");
                assert_eq!(shown(code()(5)), shown(ExitCode::from(5)));
            }
        }
    };
}

fn process() -> Process {
    Process::new()
}

outcomes! { by_tokio, tokio }
outcomes! { by_threads_of_tokio, tokio(flavor = "multi_thread", worker_threads = 2) }
outcomes! { by_smol, smol }

#[anyfork::entry(tokio)]
async fn starts_another() -> Result<ExitCode, anyfork::Error> {
    let worker = Process::new().arg(6).start(by_smol::code).await?;
    Ok((worker.exited().await?.code().unwrap_or(0) as u8 + 1).into())
}

#[test]
fn an_async_entry_awaits_processes_of_its_own() {
    assert_eq!(Process::new().run(starts_another).unwrap().wait().unwrap().code(), Some(7));
}

#[anyfork::entry(tokio)]
async fn prepare_in_one_thread(path: String) -> std::io::Result<()> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    std::fs::write(path, "prepared")
}

/// A runtime that goes on when the preparation has ended.
#[anyfork::entry]
fn leave_a_runtime() {
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("left-over").enable_all().build().unwrap();
    // Of those that have run, one has its name now.
    runtime.block_on(async { tokio::spawn(async {}).await }).unwrap();
    std::mem::forget(runtime);
}

/// The thread of async-io is there for good.
#[anyfork::entry(smol)]
async fn leave_the_reactor() {
    async_io::Timer::after(Duration::from_millis(1)).await;
    // A thread names itself when it runs.
    let named = || {
        let mut tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks.any(|task| std::fs::read(task.path().join("comm")).is_ok_and(|name| name == b"async-io\n"))
    };
    assert!(anyfork_tests::wait_until(anyfork_tests::LONG, named));
}

fn works(template: &Template) {
    let worker = template.fork().arg(9).run(by_tokio::code).unwrap();
    assert_eq!(worker.wait().unwrap().code(), Some(9));
}

#[test]
fn a_template_can_be_prepared_by_an_async_entry_whose_runtime_ends() {
    let witness = Scratch::new("witness");
    works(&Process::new().call(prepare_in_one_thread, [&*witness]).template().unwrap());
    assert_eq!(std::fs::read(&*witness).unwrap(), b"prepared");
}

#[test]
fn a_template_whose_preparation_left_a_runtime_is_refused() {
    let error = Process::new().call(leave_a_runtime, [""; 0]).template().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Threads);
    assert!(error.to_string().contains("left-over"), "{error}");
    let error = Process::new().call(leave_the_reactor, [""; 0]).template().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Threads);
    assert!(error.to_string().contains("async-io"), "{error}");
}

#[test]
fn a_template_can_be_prepared_by_an_async_entry_whose_threads_end() {
    #[anyfork::entry(tokio(flavor = "multi_thread", worker_threads = 2))]
    async fn work_in_threads() {
        let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(tokio::time::sleep(Duration::from_millis(1)))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    works(&Process::new().call(work_in_threads, [""; 0]).template().unwrap());
}
