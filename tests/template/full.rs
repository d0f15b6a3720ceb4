//! Templates whose socket is full when they are given away or dropped: what they have been told before arrives.

use super::{load, loaded, number, wait_for_end};
use anyfork::{ErrorKind, Process, Starting, Template, Worker};
use anyfork_tests::{LONG, SOON, all_end_soon, answer, lives, signal, stop, wait_until};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A template that is stopped and whose socket is full, and a worker of it that nobody has a handle to any more. That it has been prepared waits to be told.
struct Full {
    template: Template,
    worker: Running,
}

struct Running(u32, #[expect(dead_code, reason = "the worker ends with it")] UnixStream);

impl Drop for Running {
    fn drop(&mut self) {
        signal(self.0, Signal::KILL);
    }
}

impl Full {
    fn new(declare: impl Fn(Process) -> Process) -> Self {
        let template = Process::new().template().unwrap();
        let starting = declare(template.fork().call(load, ["x"])).start(wait_for_end);
        let long = Timespec { tv_sec: LONG.as_secs() as i64, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&starting, PollFlags::IN)], Some(&long)), Ok(1), "it has answered");
        stop(template.pid());
        let others: Vec<Starting<Worker>> = (0..1000).map(|_| template.fork().arg(0).start(number)).collect();
        let worker = starting.wait().unwrap();
        drop(others);
        Full { template, worker: Running(worker.pid(), worker.into_socket()) }
    }

    /// Drops the template, and lets it go on.
    fn drop_template(self) -> (u32, Running) {
        let Full { template, worker } = self;
        let (pid, begin) = (template.pid(), Instant::now());
        drop(template);
        assert!(begin.elapsed() < SOON, "a template that is stopped held the program up: {:?}", begin.elapsed());
        signal(pid, Signal::CONT);
        (pid, worker)
    }
}

/// Uses the library, which sends what could not be sent before. Says whether that ends the template within a limit.
fn ends_within(limit: Duration, template: u32) -> bool {
    wait_until(limit, || {
        assert!(Process::new().arg(0).run(number).unwrap().wait().unwrap().success());
        !lives(template)
    })
}

#[test]
fn a_worker_goes_on_whose_template_is_dropped_before_it_has_taken_all() {
    let (template, worker) = Full::new(|process| process).drop_template();
    assert!(ends_within(LONG, template));
    assert!(lives(worker.0));
}

/// Not to be told of the end, but to find its socket closed, is the end of the owner.
#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds the end of the owner is seen on the socket alone")]
fn a_worker_that_dies_with_the_program_goes_on_whose_template_is_dropped_before_it_has_taken_all() {
    let (template, worker) = Full::new(|process| process.die_with_owner(true)).drop_template();
    assert!(!ends_within(Duration::from_millis(500), template), "it has a worker that depends on it");
    assert!(lives(worker.0));
    drop(worker);
    assert!(ends_within(LONG, template));
}

#[test]
fn a_worker_goes_on_whose_template_is_given_away_before_it_has_taken_all() {
    let Full { template, worker } = Full::new(|process| process);
    let pid = template.pid();
    signal(pid, Signal::CONT);
    let template = Template::from_fd(template.into_fd().unwrap()).unwrap();
    assert_eq!(template.pid(), pid);
    drop(template);
    all_end_soon(&[pid]);
    assert!(lives(worker.0));
}

/// Its new owner's orders came in the middle of one, and were taken for the rest of that.
#[test]
fn a_template_to_which_a_part_of_an_order_was_sent_can_be_given_away() {
    let template = Process::new().call(load, ["given"]).template().unwrap();
    let pid = template.pid();
    stop(pid);
    let mut command = template.command("true");
    command.arg("x".repeat(60_000));
    let starting: Vec<_> = (0..100).map(|_| command.start()).collect();
    signal(pid, Signal::CONT);
    let given = Template::from_fd(template.into_fd().unwrap()).unwrap();
    assert_eq!(given.pid(), pid);
    assert_eq!(answer(&given.fork().blocking_socket(true).run(loaded).unwrap()), "given");
    let results: Vec<_> = starting.into_iter().map(|starting| starting.wait().map(|child| child.id())).collect();
    let started = results.iter().filter(|result| result.is_ok()).count();
    assert!((1..100).contains(&started), "{started} were started");
    // Those that had not begun, which come last.
    assert!(results[started..].iter().all(|it| it.as_ref().is_err_and(|e| e.kind() == ErrorKind::TemplateGone)));
}
