//! Templates that are killed while something that a preparation has left holds their socket: no end of that ever comes, and yet each handle has its answer.
// Without pidfds nothing but its socket tells of the end of a template.
#![cfg(not(anyfork_no_pidfd))]

use super::{nothing, stay};
use anyfork::{Command, ErrorKind, Exited, NO_ARGS, Pending, Process, Starting, Template, Worker};
use anyfork_tests::{LONG, all_end_soon, children, lives, signal, stop, within};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Leaves a child that has all descriptors of this process, and never becomes a program.
#[anyfork::entry]
fn leave_a_child() {
    // SAFETY: a process that is being prepared has one thread, and its child calls nothing but the kernel.
    unsafe {
        if libc::fork() == 0 {
            libc::sleep(LONG.as_secs() as u32 * 2);
            libc::_exit(0);
        }
    }
}

/// Lets each fork sleep before anything else is done there.
#[anyfork::entry]
fn fork_slowly() {
    extern "C" fn sleep() {
        std::thread::sleep(Duration::from_millis(1500));
    }
    // SAFETY: a function that stays, and that may be called in a fork of a process with one thread.
    assert_eq!(unsafe { libc::pthread_atfork(None, None, Some(sleep)) }, 0);
}

/// A template with such a child, which is killed with it.
struct Held {
    template: Template,
    child: u32,
}

impl Held {
    fn new() -> Self {
        let template = Process::new().call(leave_a_child, NO_ARGS).template().unwrap();
        let child = children(template.pid())[0];
        Held { template, child }
    }

    fn kill(&self) {
        signal(self.template.pid(), Signal::KILL);
        all_end_soon(&[self.template.pid()]);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        signal(self.child, Signal::KILL);
    }
}

/// Less than a start may take if nothing is said.
const LIMIT: Duration = Duration::from_secs(8);

/// Asks when the descriptor is readable, and only then. Says how often, too.
fn by_descriptor<P: Pending>(mut pending: P) -> (anyfork::Result<P::Value>, u32) {
    let until = Instant::now() + LIMIT;
    for questions in 1.. {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).unwrap();
        let ready = poll(&mut [PollFd::new(&pending, PollFlags::IN)], Some(&left)).unwrap();
        assert!(ready == 1, "never readable; asked {questions} times");
        if let Some(result) = pending.try_finish().transpose() {
            return (result, questions);
        }
        assert!(Instant::now() < until, "asked {questions} times");
    }
    unreachable!("it ends by its limit")
}

#[test]
fn statuses_of_workers_that_end_before_and_after_it_are_told() {
    let held = Held::new();
    let workers: Vec<Worker> = (0..6).map(|_| held.template.fork().run(stay).unwrap()).collect();
    let mut ends: Vec<Exited> = workers.iter().map(Worker::exited).collect();
    ends.iter_mut().for_each(|end| assert!(end.try_finish().unwrap().is_none()));
    workers[0].kill().unwrap();
    all_end_soon(&[workers[0].pid()]);
    held.kill();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| workers[1].wait_timeout(LIMIT));
        // By then it sleeps, as a rule.
        std::thread::sleep(Duration::from_millis(20));
        workers.iter().skip(1).for_each(|worker| worker.kill().unwrap());
        let status = waits.join().unwrap().unwrap();
        assert_eq!(status.expect("it has ended").signal(), Some(libc::SIGKILL));
    });
    for (worker, end) in workers.iter().zip(ends) {
        let (status, questions) = by_descriptor(end);
        assert_eq!(status.unwrap().signal(), Some(libc::SIGKILL));
        assert!(questions < 200, "asked {questions} times");
        assert_eq!(worker.wait_timeout(LIMIT).unwrap().unwrap().signal(), Some(libc::SIGKILL));
    }
}

#[test]
fn a_worker_that_goes_on_is_waited_for_without_a_question() {
    let held = Held::new();
    let worker = held.template.fork().run(stay).unwrap();
    let mut end = worker.exited();
    held.kill();
    let now = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    assert!(end.try_finish().unwrap().is_none());
    assert_eq!(worker.wait_timeout(Duration::from_millis(1)).unwrap(), None);
    assert_eq!(poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&now)).unwrap(), 0, "readable for nothing");
    std::io::Write::write_all(&mut worker.socket(), &[7]).unwrap();
    assert_eq!(by_descriptor(end).0.unwrap().code(), Some(7));
}

fn is_gone<T: std::fmt::Debug>(result: anyfork::Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TemplateGone, "{error}");
}

/// More than its socket takes, so that some wait in the program.
fn starts(template: &Template) -> Vec<Starting<Worker>> {
    stop(template.pid());
    (0..900).map(|_| template.fork().start(nothing)).collect()
}

#[test]
fn starts_under_way_fail_when_they_are_waited_for() {
    let held = Held::new();
    let starts = starts(&held.template);
    held.kill();
    let begin = Instant::now();
    starts.into_iter().for_each(|start| is_gone(start.wait()));
    assert!(begin.elapsed() < LIMIT, "it took {:?}", begin.elapsed());
}

#[test]
fn starts_under_way_fail_when_their_descriptors_say_so() {
    for is_last in [false, true] {
        let held = Held::new();
        let mut starts = starts(&held.template);
        for start in &starts {
            let _ = start.as_fd();
        }
        held.kill();
        let one = if is_last { starts.pop().unwrap() } else { starts.remove(0) };
        is_gone(by_descriptor(one).0);
        starts.into_iter().for_each(|start| is_gone(by_descriptor(start).0));
    }
}

/// They hold its socket until then, as what a preparation leaves does.
#[test]
fn starts_go_on_whose_processes_come_to_do_something_only_after_its_end() {
    let template = Process::new().call(fork_slowly, NO_ARGS).template().unwrap();
    let [by_wait, by_question] = [0; 2].map(|_| template.fork().start(nothing));
    let pid = template.pid();
    drop(template);
    within(LONG, "it has ended", || (!lives(pid)).then_some(()));
    by_descriptor(by_question).0.unwrap();
    by_wait.wait().unwrap();
}

/// Nobody has noticed its end by then.
#[test]
fn the_first_start_afterwards_fails() {
    let begin = Instant::now();
    let (by_wait, by_question, by_program) = (Held::new(), Held::new(), Held::new());
    [&by_wait, &by_question, &by_program].into_iter().for_each(Held::kill);
    is_gone(by_wait.template.fork().run(nothing));
    is_gone(by_wait.template.fork().run(nothing));
    is_gone(by_descriptor(by_question.template.fork().start(nothing)).0);
    let mut program: Command = by_program.template.command("true");
    is_gone(by_descriptor(program.start_output()).0);
    assert!(begin.elapsed() < LIMIT, "it took {:?}", begin.elapsed());
    within(LONG, "the killed ones are waited for", || {
        [&by_wait, &by_question].iter().all(|held| anyfork_tests::stat(held.template.pid()).is_none()).then_some(())
    });
}
