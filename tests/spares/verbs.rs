//! Whatever can be done with a fork can be done with a spare.

use super::*;
use anyfork::{Input, Inputs, NO_ARGS, Starting};
use anyfork_tests::{identity, in_runtimes, open_files};
use std::fs::File;
use std::process::ExitCode;
use std::sync::Mutex;

static CALLED: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[anyfork::entry]
fn note(what: String) -> Result<(), String> {
    if what == "fail" {
        return Err("as it should".into());
    }
    CALLED.lock().unwrap().push(what);
    Ok(())
}

#[anyfork::entry]
fn called(mut socket: UnixStream, _rest: Inputs) -> std::io::Result<()> {
    socket.write_all(CALLED.lock().unwrap().join(" ").as_bytes())
}

/// Tells all its inputs.
#[anyfork::entry]
fn report(mut socket: UnixStream, inputs: Inputs) -> std::io::Result<()> {
    for input in inputs {
        match input {
            Input::Arg(octets) => writeln!(socket, "{} octets, the last is {:?}", octets.len(), octets.last())?,
            Input::Fd(fd) => writeln!(socket, "{}", identity(&fd))?,
            _ => writeln!(socket, "what is this?")?,
        }
    }
    Ok(())
}

#[anyfork::entry]
fn end_with(_socket: UnixStream, _inherited: String, code: u8) -> ExitCode {
    code.into()
}

/// One with so many waiting.
fn plain(count: usize) -> Template {
    with_spares(Process::new().template().unwrap(), 0..=count)
}

/// Those that wait, of a template whose children all do.
fn waiting(template: &Template) -> Vec<u32> {
    children(template.pid())
}

#[test]
fn inputs_come_as_to_any_fork() {
    let [of_template, own, ..] = ["/", "/dev/null"].map(|path| File::open(path).unwrap());
    let template = Process::new().arg("inherited").fd(&of_template).template().unwrap();
    let seen = || {
        let process = template.fork().arg("").fd(&own).arg(vec![7; 300_000]).fds((0..300).map(|_| &own)).arg("last");
        let worker = process.blocking_socket(true).run(report).unwrap();
        (worker.pid(), said(&worker))
    };
    let (_, expected) = seen();
    assert_eq!(expected.lines().count(), 2 + 3 + 300 + 1);
    let template = with_spares(Process::new().arg("inherited").fd(&of_template).template().unwrap(), 0..=3);
    let spares = waiting(&template);
    for _ in 0..3 {
        let process = template.fork().arg("").fd(&own).arg(vec![7; 300_000]).fds((0..300).map(|_| &own)).arg("last");
        let worker = process.blocking_socket(true).run(report).unwrap();
        assert!(spares.contains(&worker.pid()));
        assert_eq!(said(&worker), expected);
    }
}

#[test]
fn a_worker_has_no_descriptor_more_than_another() {
    let template = Process::new().template().unwrap();
    let other = template.fork().run(idle).unwrap();
    let template = with_spares(template, 0..=6);
    let spares = waiting(&template);
    // The last is taken first, and the first was forked when the sockets of no other were there.
    for _ in 0..6 {
        let worker = template.fork().run(idle).unwrap();
        assert!(spares.contains(&worker.pid()));
        // It closes the last that it does not need when it has been entered.
        until("it has no more", || open_files(worker.pid()).len() == open_files(other.pid()).len());
    }
}

#[test]
fn functions_are_called_in_it_before_it_runs() {
    let template = with_spares(Process::new().call(note, ["template"]).template().unwrap(), 0..=4);
    let spares = waiting(&template);
    let worker = template.fork().call(note, ["a"]).call(note, ["b"]).blocking_socket(true).run(called).unwrap();
    assert!(spares.contains(&worker.pid()));
    assert_eq!(said(&worker), "template a b");
    let error = template.fork().call(note, ["fail"]).run(called).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preparation);
    assert!(error.to_string().contains("as it should"), "{error}");
    // One that was prepared and not run is gone.
    drop(template.fork().call(note, ["x"]));
    // What one was told, no other knows.
    let worker = template.fork().blocking_socket(true).run(called).unwrap();
    assert!(spares.contains(&worker.pid()));
    assert_eq!(said(&worker), "template");
    until("all have ended", || spares.iter().all(|pid| is_gone(*pid)));
}

#[test]
fn one_becomes_a_template_with_spares_of_its_own() {
    let outer = with_spares(Process::new().call(note, ["outer"]).template().unwrap(), 0..=2);
    let spares = waiting(&outer);
    let inner = outer.fork().call(note, ["inner"]).arg("queued").template().unwrap();
    assert!(spares.contains(&inner.pid()));
    let inner = with_spares(inner, 0..=2);
    let below = waiting(&inner);
    drop(outer);
    until("the other spare ends with its template", || spares.iter().filter(|pid| lives(**pid)).count() == 1);
    assert!(lives(inner.pid()), "a template that was made of a spare goes on");
    for _ in 0..2 {
        let worker = inner.fork().blocking_socket(true).run(called).unwrap();
        assert!(below.contains(&worker.pid()));
        assert_eq!(said(&worker), "outer inner");
        assert!(end(&worker).success());
    }
    let inner = with_spares(inner, 0..=2);
    let (pid, left) = (inner.pid(), waiting(&inner));
    drop(inner);
    until("all end", || is_gone(pid) && left.iter().all(|pid| is_gone(*pid)));
}

#[test]
fn each_status_is_that_of_its_worker() {
    let template = with_spares(template(), 0..=12);
    let spares = waiting(&template);
    let codes = [3, 0, 255, 1, 42, 7];
    let workers: Vec<Worker> = codes.iter().map(|code| template.fork().arg(code).run(end_with).unwrap()).collect();
    let killed: Vec<Worker> =
        (0..6).map(|n| template.fork().die_with_owner(n % 2 == 0).run(idle_with_rest).unwrap()).collect();
    let pids: std::collections::BTreeSet<u32> = workers.iter().chain(&killed).map(Worker::pid).collect();
    assert_eq!(pids, spares.into_iter().collect());
    for (number, worker) in [15, 9, 10, 12, 6, 1].into_iter().zip(&killed) {
        worker.signal(number).unwrap();
    }
    for (worker, code) in workers.iter().zip(codes).rev() {
        assert_eq!(end(worker).code(), Some(code));
    }
    for (number, worker) in [15, 9, 10, 12, 6, 1].into_iter().zip(&killed) {
        assert_eq!(end(worker).signal(), Some(number));
    }
}

#[anyfork::entry]
fn idle_with_rest(mut socket: UnixStream, _rest: Inputs) -> std::io::Result<()> {
    socket.read(&mut [0]).map(drop)
}

#[test]
fn one_is_killed_when_its_handle_is_dropped_if_that_was_asked_for() {
    let template = plain(2);
    let kept = template.fork().run(idle).unwrap();
    let killed = template.fork().kill_on_drop(true).run(idle).unwrap();
    let pid = killed.pid();
    let socket = killed.socket().try_clone().unwrap();
    drop(killed);
    until("it is killed", || is_gone(pid));
    drop(socket);
    assert!(lives(kept.pid()));
}

#[test]
fn the_deadline_of_its_preparation_is_kept() {
    let template = plain(1);
    let [pid] = waiting(&template)[..] else { panic!("one waits") };
    let process = template.fork().call(nap, [60]).deadline(Duration::from_millis(150));
    let begin = std::time::Instant::now();
    assert_eq!(process.run(idle).unwrap_err().kind(), ErrorKind::Deadline);
    assert!((150..1500).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    until("it is killed", || is_gone(pid));
    assert!(end(&template.fork().run(called).unwrap()).success());
}

#[anyfork::entry]
fn nap(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

#[test]
fn an_entry_that_nobody_has_is_an_error_and_the_next_one_works() {
    let template = plain(3);
    assert_eq!(template.fork().run("no::such::entry").unwrap_err().kind(), ErrorKind::UnknownEntry);
    assert_eq!(template.fork().run(echo).unwrap_err().kind(), ErrorKind::Inputs);
    assert!(template.fork().call(note, NO_ARGS).run(called).is_err());
    assert!(end(&template.fork().run(called).unwrap()).success());
}

async fn awaited_as_any_other() {
    let template = plain(8);
    let spares = waiting(&template);
    let starting: Vec<Starting<Worker>> = (0..20).map(|_| template.fork().start(called)).collect();
    let mut taken = 0;
    for starting in starting {
        let worker = starting.await.unwrap();
        taken += u32::from(spares.contains(&worker.pid()));
        assert!(worker.exited().await.unwrap().success());
    }
    assert_eq!(taken, 8);
}

in_runtimes! { all: awaited_as_any_other; }
