//! Templates: prepared once, forked often, nested, shared between threads, given to other processes.

#[path = "template/full.rs"]
mod full;

use anyfork::{ErrorKind, Process, Template};
use anyfork_tests::answer;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::Duration;

static LOADED: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[anyfork::entry]
fn load(what: String) {
    LOADED.lock().unwrap().push(what);
}

#[anyfork::entry]
fn loaded(mut socket: UnixStream) -> io::Result<()> {
    write!(socket, "{}", LOADED.lock().unwrap().join(","))
}

#[anyfork::entry]
fn number(mut socket: UnixStream, number: u32) -> io::Result<()> {
    write!(socket, "{number}")
}

#[anyfork::entry]
fn wait_for_end(mut socket: UnixStream) -> io::Result<()> {
    socket.read(&mut [0]).map(drop)
}

#[anyfork::entry]
fn forks_for_us(mut socket: UnixStream, template: OwnedFd) -> Result<(), String> {
    let template = Template::from_fd(template).map_err(|error| error.to_string())?;
    let worker = template.fork().blocking_socket(true).run(loaded).map_err(|error| error.to_string())?;
    write!(socket, "{}", answer(&worker)).map_err(|error| error.to_string())?;
    worker.wait().map_err(|error| error.to_string())?.success().then_some(()).ok_or("failed".to_owned())
}

/// And ends without a word to it.
#[anyfork::entry]
fn takes_it_along(template: OwnedFd) {
    std::mem::forget(Template::from_fd(template).unwrap());
}

#[anyfork::entry]
fn finishes_for_us(mut socket: UnixStream, process: OwnedFd) -> Result<(), String> {
    let process = Process::from_fd(process).map_err(|error| error.to_string())?;
    let worker = process.arg(7).blocking_socket(true).run(number).map_err(|error| error.to_string())?;
    write!(socket, "{}", answer(&worker)).map_err(|error| error.to_string())
}

#[test]
fn preparation_runs_once_and_every_fork_has_it() {
    let template = Process::new().call(load, ["a"]).call(load, ["b"]).template().unwrap();
    for _ in 0..3 {
        assert_eq!(answer(&template.fork().blocking_socket(true).run(loaded).unwrap()), "a,b");
    }
}

#[test]
fn preparation_starts_when_it_is_ordered() {
    let (mut read, write) = io::pipe().unwrap();
    let process = Process::new().call("template::signal_pipe", [std::process::id().to_string()]);
    drop(write);
    // The process answers through a file that is named for this process: no input, no socket, no template yet.
    let path = std::env::temp_dir().join(format!("anyfork-prepared-{}", std::process::id()));
    let seen = anyfork_tests::wait_until(Duration::from_secs(10), || path.exists());
    let _ = std::fs::remove_file(&path);
    assert!(seen);
    assert_eq!(read.read(&mut [0]).unwrap(), 0);
    assert!(process.run(loaded).unwrap().wait().unwrap().success());
}

#[anyfork::entry]
fn signal_pipe(owner: u32) -> io::Result<()> {
    std::fs::write(std::env::temp_dir().join(format!("anyfork-prepared-{owner}")), "")
}

#[test]
fn templates_nest_to_any_depth() {
    let mut templates = vec![Process::new().call(load, ["0"]).template().unwrap()];
    for depth in 1..12 {
        let next = templates[depth - 1].fork().call(load, [depth]).template().unwrap();
        templates.push(next);
    }
    let deepest = answer(&templates[11].fork().blocking_socket(true).run(loaded).unwrap());
    assert_eq!(deepest, "0,1,2,3,4,5,6,7,8,9,10,11");
    assert_eq!(answer(&templates[2].fork().blocking_socket(true).run(loaded).unwrap()), "0,1,2");
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds signals go through the template, which is gone")]
fn the_end_of_a_template_ends_neither_workers_nor_templates_below_it() {
    let upper = Process::new().call(load, ["x"]).template().unwrap();
    let lower = upper.fork().template().unwrap();
    let worker = upper.fork().run(wait_for_end).unwrap();
    let pid = upper.pid();
    drop(upper);
    assert!(anyfork_tests::wait_until(Duration::from_secs(1), || !anyfork_tests::lives(pid)), "it stays");
    assert_eq!(answer(&lower.fork().blocking_socket(true).run(loaded).unwrap()), "x");
    assert_eq!(worker.try_wait().unwrap(), None);
    worker.signal(libc::SIGTERM).unwrap();
    let status = worker.wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGTERM));
    assert!(status.usage().is_some(), "the default template adopts and reports");
}

/// Its death signal was that of a process in preparation when it had already said that it was ready.
#[test]
fn a_template_below_another_survives_the_end_of_that_at_once() {
    for _ in 0..100 {
        let upper = Process::new().template().unwrap();
        let lower = upper.fork().call(load, ["lower"]).template().unwrap();
        drop(upper);
        let worker = lower.fork().blocking_socket(true).run(loaded).unwrap();
        assert_eq!(answer(&worker), "lower");
        assert!(worker.wait().unwrap().success());
    }
}

#[test]
fn a_process_of_a_dropped_template_is_never_started() {
    for _ in 0..50 {
        let template = Process::new().template().unwrap();
        let process = template.fork().arg(1);
        drop(template);
        assert_eq!(process.run(number).unwrap_err().kind(), ErrorKind::TemplateGone);
    }
}

#[test]
fn sixty_four_threads_fork_from_one_template() {
    let template = Process::new().template().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..64u32 {
            let template = &template;
            scope.spawn(move || {
                for turn in 0..5 {
                    let mine = thread * 100 + turn;
                    let worker = template.fork().arg(mine).blocking_socket(true).run(number).unwrap();
                    assert_eq!(answer(&worker), mine.to_string());
                    assert!(worker.wait().unwrap().success());
                }
            });
        }
    });
}

#[test]
fn a_template_can_be_given_to_another_process() {
    let template = Process::new().call(load, ["given"]).template().unwrap();
    let pid = template.pid();
    let fd = template.into_fd().unwrap();
    let worker = Process::new().fd(fd).blocking_socket(true).run(forks_for_us).unwrap();
    assert_eq!(answer(&worker), "given");
    assert!(worker.wait().unwrap().success());
    let gone = || !anyfork_tests::lives(pid);
    assert!(anyfork_tests::wait_until(Duration::from_secs(1), gone), "it ends with its new owner");
}

#[test]
fn a_template_with_unread_reports_can_be_given_too_and_obeys_its_new_owner_alone() {
    let template = Process::new().call(load, ["given"]).template().unwrap();
    let early = template.fork();
    let ended = template.fork().blocking_socket(true).run(loaded).unwrap();
    assert_eq!(answer(&ended), "given");
    assert!(anyfork_tests::wait_until(Duration::from_secs(5), || !anyfork_tests::lives(ended.pid())));
    let fd = template.into_fd().unwrap();
    assert_eq!(early.run(loaded).unwrap_err().kind(), ErrorKind::TemplateGone);
    let worker = Process::new().fd(fd).blocking_socket(true).run(forks_for_us).unwrap();
    assert_eq!(answer(&worker), "given");
    assert!(worker.wait().unwrap().success());
}

/// Those below end with the program that made them.
#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds the end of the owner is seen on the socket alone")]
fn templates_below_one_that_was_given_away_do_not_end_with_its_new_owner() {
    let template = Process::new().call(load, ["given"]).template().unwrap();
    let pid = template.pid();
    let below = template.fork().call(load, ["below"]).template().unwrap();
    let free = template.fork().kill_on_drop(true).run(wait_for_end).unwrap();
    let fd = template.into_fd().unwrap();
    assert!(Process::new().fd(fd).run(takes_it_along).unwrap().wait().unwrap().success());
    let gone = || !anyfork_tests::lives(pid);
    assert!(anyfork_tests::wait_until(Duration::from_secs(1), gone), "it ends with its new owner");
    assert_eq!(answer(&below.fork().blocking_socket(true).run(loaded).unwrap()), "given,below");
    assert!(free.try_wait().unwrap().is_none());
}

#[test]
fn a_process_can_be_given_to_another_process() {
    let fd = Process::new().call(load, ["x"]).into_fd().unwrap();
    let worker = Process::new().fd(fd).blocking_socket(true).run(finishes_for_us).unwrap();
    assert_eq!(answer(&worker), "7");
    assert!(worker.wait().unwrap().success());
}

#[test]
fn what_is_no_template_is_refused() {
    let error = Template::from_fd(std::fs::File::open("/dev/null").unwrap().into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "take up a template: expected a Unix stream socket, got a character device");
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    assert!(Template::from_fd(ours.into()).is_err());
}

#[test]
fn an_unused_process_starts_nothing_and_a_dropped_one_ends() {
    drop(Process::new().arg("x"));
    let template = Process::new().template().unwrap();
    let process = template.fork().call(load, ["x"]);
    assert!(anyfork_tests::wait_until(Duration::from_secs(5), || !anyfork_tests::children(template.pid()).is_empty()));
    drop(process);
    assert!(anyfork_tests::wait_until(Duration::from_secs(5), || anyfork_tests::children(template.pid()).is_empty()));
}
