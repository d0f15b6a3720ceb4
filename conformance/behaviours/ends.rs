//! Ends: exit codes, signals, usage, and who notices.

use anyfork::{ExitStatus, Exited, Worker};
use anyfork_conformance::{Subject, has_ended, park, release, run, written};
use anyfork_tests::{LONG, SOON, Scratch, all_end_soon, children, descriptors, lives, open_files, stat, wait_until};
use std::time::{Duration, Instant};

const CODES: [i32; 5] = [0, 1, 42, 128, 255];

fn ended(worker: &Worker) -> ExitStatus {
    worker.wait_timeout(LONG).unwrap().expect("it has ended")
}

pub(crate) fn exit_codes_arrive_with_what_was_used<S: Subject>() {
    let template = S::template();
    for code in CODES {
        let status = ended(&template.fork().arg(code).run(S::name("exit_with")).unwrap());
        assert_eq!((status.code(), status.signal()), (Some(code), None));
        assert!(status.usage().is_some_and(|usage| usage.peak_memory > 0), "{status:?}");
    }
}

pub(crate) fn exit_codes_of_processes_without_a_template_arrive<S: Subject>() {
    for code in [0, 42, 255] {
        let status = ended(&S::process().arg(code).run(S::name("exit_with")).unwrap());
        assert_eq!((status.code(), status.signal()), (Some(code), None));
        assert!(status.usage().is_some_and(|usage| usage.peak_memory > 0), "{status:?}");
    }
}

pub(crate) fn signals_are_told<S: Subject>() {
    let template = S::template();
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGSEGV, libc::SIGABRT, libc::SIGUSR1] {
        let worker = template.fork().arg(signal).run(S::name("kill_self")).unwrap();
        assert!(has_ended::<S>(&worker, None, Some(signal)), "{:?}", worker.wait());
    }
    let direct = S::process().arg(libc::SIGTERM).run(S::name("kill_self")).unwrap();
    assert_eq!(ended(&direct).signal(), Some(libc::SIGTERM));
}

pub(crate) fn an_uncaught_error_has_its_exit_code<S: Subject>() {
    let template = S::template();
    for process in [S::process(), template.fork()] {
        let worker = process.arg("this message is on purpose").run(S::name("fail")).unwrap();
        assert!(has_ended::<S>(&worker, Some(S::UNCAUGHT), None), "{:?}", worker.wait());
    }
}

pub(crate) fn a_worker_is_killed_and_signalled_through_its_handle<S: Subject>() {
    let template = S::template();
    for process in [S::process(), template.fork()] {
        let (worker, _) = park::<S>(process);
        assert_eq!(worker.try_wait().unwrap(), None);
        assert_eq!(worker.wait_timeout(Duration::from_millis(20)).unwrap(), None);
        worker.kill().unwrap();
        assert!(has_ended::<S>(&worker, None, Some(libc::SIGKILL)));
        worker.kill().unwrap();
    }
    let (worker, _) = park::<S>(template.fork());
    worker.signal(libc::SIGTERM).unwrap();
    assert!(has_ended::<S>(&worker, None, Some(libc::SIGTERM)));
}

pub(crate) fn kill_on_drop_kills_and_nothing_else_does<S: Subject>() {
    let template = S::template();
    let (killed, _) = park::<S>(template.fork().kill_on_drop(true));
    let (direct, _) = park::<S>(S::process().kill_on_drop(true));
    let (detached, _) = park::<S>(template.fork().kill_on_drop(true));
    let pids = [killed.pid(), direct.pid(), detached.pid()];
    let detached_pidfd = detached.pidfd().map(|pidfd| pidfd.try_clone_to_owned().unwrap());
    let socket = detached.into_socket();
    drop((killed, direct));
    all_end_soon(&pids[..2]);
    std::thread::sleep(Duration::from_millis(50));
    assert!(lives(pids[2]), "it was given away");
    drop(socket);
    all_end_soon(&pids[2..]);
    drop(detached_pidfd);
}

pub(crate) fn the_status_does_not_wait_for_end_of_file<S: Subject>() {
    let worker = run::<S>(S::template().fork(), "leave_a_child");
    let begin = Instant::now();
    assert!(has_ended::<S>(&worker, Some(7), None));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    worker.socket().set_nonblocking(true).unwrap();
    let error = std::io::Read::read(&mut worker.socket(), &mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "its child has the socket open");
    worker.socket().set_nonblocking(false).unwrap();
    worker.socket().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(written(worker.socket()), b"");
}

/// What a fork registers for its own end runs, what its template has registered does not.
pub(crate) fn exit_handlers_of_the_template_do_not_run_in_workers<S: Subject>() {
    let (inherited, own) = (Scratch::new("inherited"), Scratch::new("own"));
    let template = S::process().call(S::name("at_exit_in_preparation"), [&*inherited]).template().unwrap();
    let nested = template.fork().template().unwrap();
    for (number, template) in [&template, &nested].into_iter().enumerate() {
        let path = format!("{}.{number}", &*own);
        let worker = template.fork().arg(&path).run(S::name("at_exit")).unwrap();
        assert!(has_ended::<S>(&worker, Some(4), None));
        assert!(std::fs::exists(path).unwrap(), "its own handler did not run");
        let worker = template.fork().run(S::name("exit_here")).unwrap();
        assert!(has_ended::<S>(&worker, Some(4), None));
    }
    let pids = [nested.pid(), template.pid()];
    drop((nested, template));
    all_end_soon(&pids);
    assert!(!std::fs::exists(&*inherited).unwrap(), "a handler of the template ran");
}

pub(crate) fn an_end_is_a_value_to_be_polled<S: Subject>() {
    let template = S::template();
    let (worker, _) = park::<S>(template.fork());
    let mut exited = worker.exited();
    assert!(!super::readable(&exited, Duration::from_millis(20)));
    assert_eq!(exited.try_finish().unwrap(), None);
    release(&worker, 42);
    match super::answer(&mut exited, Exited::try_finish) {
        Ok(status) => assert_eq!(status.code(), Some(42)),
        Err(error) => assert!(!S::tells_statuses(), "{error}"),
    }
}

/// No process is left over, dead or alive, though nobody asks for anything.
pub(crate) fn nobody_is_left_while_all_is_idle<S: Subject>() {
    let template = S::template();
    let direct = S::process().arg(3).run(S::name("exit_with")).unwrap();
    let workers: Vec<Worker> =
        (0..5).map(|code| template.fork().arg(code).run(S::name("exit_with")).unwrap()).collect();
    let failed = template.fork().call(S::name("fail_preparation"), ["x"]).template();
    assert!(failed.is_err() && template.fork().run("nowhere").is_err());
    let below = template.fork().template().unwrap();
    let nested = below.fork().arg(1).run(S::name("exit_with")).unwrap();
    let pid = below.pid();
    drop(below);
    let is_clean =
        || children(template.pid()).is_empty() && stat(direct.pid()).is_none() && stat(nested.pid()).is_none();
    assert!(wait_until(LONG, is_clean), "{:?} {:?}", children(template.pid()), stat(direct.pid()));
    assert!(wait_until(SOON, || stat(pid).is_none()), "a dropped template is a zombie");
    drop(workers);
}

pub(crate) fn a_thousand_workers_in_sequence_leave_nothing<S: Subject>() {
    let template = S::template();
    // What is opened once stays open.
    let code = |n: i32| {
        let worker = template.fork().arg(n % 251).run(S::name("exit_with")).unwrap();
        // Where nobody can know how it ended it takes a while to be sure of that.
        if S::tells_statuses() {
            assert!(has_ended::<S>(&worker, Some(n % 251), None), "{n}: {:?}", worker.wait());
        }
    };
    (0..5).for_each(code);
    let own = std::process::id();
    let before = (descriptors(own).len(), open_files(template.pid()));
    (0..1000).for_each(code);
    assert!(wait_until(LONG, || children(template.pid()).is_empty()), "{:?}", children(template.pid()));
    let is_as_before = || (descriptors(own).len(), open_files(template.pid())) == before;
    // Other tests may be under way in this process, but not for ever.
    assert!(wait_until(LONG, is_as_before), "{before:?}, then {:?}", descriptors(own).len());
}
