//! Which descriptor it is, and when it is readable.

use super::{LIMIT, Trigger, code, finish, finish_all, nap, readable, stay, stopped};
use anyfork::{Command, ErrorKind, Exited, Pending, Process, Starting, Worker};
use anyfork_tests::{children, signal, stop, wait_until};
use rustix::event::epoll;
use rustix::process::Signal;
use std::collections::HashSet;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(200);

fn number(of: &impl AsFd) -> i32 {
    of.as_fd().as_raw_fd()
}

fn sleeper() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "echo a; sleep 0.2; echo b; sleep 0.1"]);
    command
}

/// Asked in each state, until the result is there and after it.
fn keeps_its_number<P: Pending>(mut pending: P) {
    let first = number(&pending);
    let until = Instant::now() + LIMIT;
    loop {
        let result = pending.try_finish();
        assert_eq!(number(&pending), first);
        if result.unwrap().is_some() {
            return;
        }
        assert!(readable(&pending, until.saturating_duration_since(Instant::now())));
        assert_eq!(number(&pending), first);
    }
}

#[test]
fn the_descriptor_of_a_value_stays_the_same() {
    let template = Process::new().template().unwrap();
    keeps_its_number(template.fork().call(nap, [50]).arg(0).start(code));
    keeps_its_number(template.fork().call(nap, [50]).start_template());
    keeps_its_number(template.fork().arg(50).run(nap).unwrap().exited());
    keeps_its_number(sleeper().start());
    keeps_its_number(sleeper().start_status());
    keeps_its_number(sleeper().start_output());
    keeps_its_number(sleeper().stdout(anyfork::Stdio::piped()).spawn().unwrap().into_output());
}

#[test]
fn each_value_has_a_descriptor_of_its_own() {
    let template = stopped();
    let worker = Process::new().arg(100).run(nap).unwrap();
    let starts: Vec<Starting<Worker>> = (0..10).map(|_| template.fork().start(code)).collect();
    let failed: Vec<Starting<Worker>> = (0..10).map(|_| Process::new().name("\0").start(code)).collect();
    let ends: Vec<Exited> = (0..10).map(|_| worker.exited()).collect();
    let programs: Vec<_> = (0..10).map(|_| template.command("true").start_status()).collect();
    let all = starts.iter().map(number).chain(failed.iter().map(number)).chain(ends.iter().map(number));
    let all: HashSet<i32> = all.chain(programs.iter().map(number)).collect();
    assert_eq!(all.len(), 40);
}

#[test]
fn the_descriptor_is_closed_with_its_value() {
    let template = stopped();
    let worker = Process::new().arg(100).run(nap).unwrap();
    let open = |number: i32| std::fs::exists(format!("/proc/self/fd/{number}")).unwrap();
    let (start, end, program) = (template.fork().start(code), worker.exited(), sleeper().start_output());
    let numbers = [number(&start), number(&end), number(&program)];
    assert!(numbers.into_iter().all(open));
    drop((start, end, program));
    // Other tests of this program may open others under these numbers, if they are not processes of their own.
    if std::env::var_os("NEXTEST").is_some() {
        assert!(!numbers.into_iter().any(open), "{numbers:?}");
    }
}

#[test]
fn starts_that_failed_at_once_are_readable_side_by_side() {
    for trigger in [Trigger::Level, Trigger::Edge] {
        let failed: Vec<Starting<Worker>> = (0..5).map(|_| Process::new().name("\0").start(code)).collect();
        assert!(failed.iter().all(|failed| readable(failed, Duration::ZERO)));
        for result in finish_all(failed, trigger) {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let failed = (0..5).map(|_| Command::new("\0").start_output()).collect();
        for result in finish_all(failed, trigger) {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}

/// A descriptor is readable at the deadline, not before, and the answer is there then.
fn tells_of_its_deadline<P: Pending>(mut pending: P) {
    assert!(!readable(&pending, SHORT / 2), "before its deadline");
    assert!(pending.try_finish().unwrap_or_else(|error| panic!("{error}")).is_none());
    assert!(readable(&pending, SHORT), "not at its deadline");
    let until = Instant::now() + Duration::from_millis(50);
    let error = loop {
        match pending.try_finish() {
            Err(error) => break error,
            Ok(result) => assert!(result.is_none() && Instant::now() < until),
        }
    };
    assert_eq!(error.kind(), ErrorKind::Deadline);
}

#[test]
fn the_descriptor_is_readable_at_the_deadline() {
    let template = stopped();
    tells_of_its_deadline(template.fork().deadline(SHORT).start(code));
    tells_of_its_deadline(template.fork().deadline(SHORT).start_template());
    tells_of_its_deadline(template.command("true").deadline(SHORT).start());
    tells_of_its_deadline(template.command("true").deadline(SHORT).start_status());
    tells_of_its_deadline(template.command("true").deadline(SHORT).start_output());
}

/// How often a loop is woken while there is nothing to do.
fn wakes_in(pending: &mut impl Pending, time: Duration) -> usize {
    let until = Instant::now() + time;
    let mut wakes = 0;
    while Instant::now() < until {
        if readable(&*pending, until.saturating_duration_since(Instant::now())) {
            wakes += 1;
            assert!(pending.try_finish().unwrap_or_else(|error| panic!("{error}")).is_none(), "it still runs");
        }
    }
    wakes
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds the end is asked for each millisecond")]
fn a_program_that_outlives_the_deadline_of_its_start_wakes_nobody() {
    for output in [false, true] {
        let mut command = Command::new("sleep");
        command.arg("60").deadline(SHORT);
        let wakes = match output {
            false => wakes_in(&mut command.start_status(), 4 * SHORT),
            true => wakes_in(&mut command.start_output(), 4 * SHORT),
        };
        assert!(wakes <= 10, "output: {output}: woken {wakes} times for nothing");
    }
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds the end is asked for each millisecond")]
fn a_program_whose_template_is_killed_wakes_nobody_though_it_was_asked_before_it_was_watched() {
    let template = Process::new().template().unwrap();
    let mut ending = template.command("sleep").arg("60").spawn().unwrap().into_output();
    // It has no pipes, so that only its end is missing from now on.
    assert_eq!(ending.try_finish().unwrap(), None);
    number(&ending);
    signal(template.pid(), Signal::KILL);
    let wakes = wakes_in(&mut ending, 4 * SHORT);
    assert!(wakes <= 10, "woken {wakes} times for nothing");
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds the end is asked for each millisecond")]
fn a_worker_that_runs_wakes_nobody() {
    let worker = Process::new().arg(60_000).kill_on_drop(true).run(nap).unwrap();
    assert!(wakes_in(&mut worker.exited(), 2 * SHORT) <= 2);
}

#[test]
fn values_of_all_sorts_finish_in_one_set_with_either_trigger() {
    for trigger in [Trigger::Level, Trigger::Edge] {
        let template = Process::new().template().unwrap();
        let starts = (0..50).map(|n| template.fork().arg(n).start(code)).collect();
        let workers: Vec<Worker> = finish_all(starts, trigger).into_iter().map(Result::unwrap).collect();
        let ends = finish_all(workers.iter().map(Worker::exited).collect(), trigger);
        let codes: Vec<_> = ends.into_iter().map(|status| status.unwrap().code().unwrap()).collect();
        assert_eq!(codes, (0..50).collect::<Vec<_>>(), "{trigger:?}");
        let script = "head -c 700000 /dev/zero; exit 3";
        let outputs = (0..10).map(|_| Command::new("sh").args(["-c", script]).start_output()).collect();
        for output in finish_all(outputs, trigger) {
            let output = output.unwrap();
            assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 700_000), "{trigger:?}");
        }
    }
}

#[test]
fn a_descriptor_that_is_asked_for_late_tells_all_the_same() {
    let mut starting = Process::new().arg(4).start(code);
    std::thread::sleep(Duration::from_millis(100));
    assert!(readable(&starting, LIMIT));
    let worker = starting.try_finish().unwrap().expect("it was readable");
    assert_eq!(finish(worker.exited()).unwrap().code(), Some(4));
    let mut ending = sleeper().start_output();
    while ending.try_finish().unwrap_or_else(|error| panic!("{error}")).is_none() {
        std::thread::sleep(Duration::from_millis(70));
        assert!(readable(&ending, LIMIT));
    }
}

/// The system limits how many epoll sets that are in a set themselves may watch one file (500).
#[test]
fn a_thousand_ends_of_workers_of_one_template_are_waited_for_in_one_set() {
    for trigger in [Trigger::Level, Trigger::Edge] {
        let template = Process::new().template().unwrap();
        let workers: Vec<Worker> =
            (0..1000).map(|_| template.fork().blocking_socket(true).run(stay).unwrap()).collect();
        let ends: Vec<Exited> = workers.iter().map(Worker::exited).collect();
        // They end when their sockets do.
        let release = std::thread::spawn(move || {
            std::thread::sleep(SHORT);
            drop(workers);
        });
        assert!(finish_all(ends, trigger).into_iter().all(|status| status.unwrap().success()));
        release.join().unwrap();
    }
}

/// The socket takes some 300 reports; what does not fit is kept by the template, which has waited for the process by then.
#[test]
#[cfg_attr(any(anyfork_no_pidfd, anyfork_no_pidfd_hangup), ignore = "the end is asked for each millisecond then")]
fn an_end_whose_report_comes_behind_many_others_is_told_to_an_edge_triggered_loop() {
    let template = Process::new().template().unwrap();
    let mut workers: Vec<Worker> = (0..1000).map(|_| template.fork().run(stay).unwrap()).collect();
    let last = workers.pop().unwrap();
    let mut end = last.exited();
    drop(workers);
    assert!(wait_until(LIMIT, || children(template.pid()).len() == 1));
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    epoll::add(&set, &end, epoll::EventData::new_u64(0), epoll::EventFlags::IN | epoll::EventFlags::ET).unwrap();
    drop(last);
    assert!(readable(&set, LIMIT), "not told of the end");
    stop(template.pid());
    let mut events = Vec::with_capacity(1);
    epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), None).unwrap();
    assert_eq!(end.try_finish().unwrap(), None, "the report is in the template");
    signal(template.pid(), Signal::CONT);
    let status = wait_until_some(|| {
        assert!(readable(&set, LIMIT), "not told of the report");
        events.clear();
        epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        end.try_finish().unwrap()
    });
    assert!(status.success());
}

fn wait_until_some<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < until, "asked again and again");
        if let Some(found) = ask() {
            return found;
        }
    }
}

#[test]
fn a_thousand_ends_are_told_of_when_their_template_is_killed() {
    let template = Process::new().template().unwrap();
    let workers: Vec<Worker> = (0..1000).map(|_| template.fork().run(stay).unwrap()).collect();
    let ends: Vec<Exited> = workers.iter().map(Worker::exited).collect();
    let pid = template.pid();
    let release = std::thread::spawn(move || {
        std::thread::sleep(SHORT);
        anyfork_tests::signal(pid, rustix::process::Signal::KILL);
        std::thread::sleep(SHORT);
        drop(workers);
    });
    // Before Linux 6.15 nobody keeps the statuses.
    let told = |status: anyfork::Result<anyfork::ExitStatus>| match status {
        Ok(status) => status.success(),
        Err(error) => error.kind() == ErrorKind::Lost,
    };
    assert!(finish_all(ends, Trigger::Level).into_iter().all(told));
    release.join().unwrap();
}

#[test]
fn six_hundred_ends_of_programs_are_waited_for_in_one_set() {
    let template = Process::new().template().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let command = || {
        let mut command = template.command("cat");
        command.stdin(reader.try_clone().unwrap());
        command
    };
    let ends = (0..600).map(|_| command().start_status()).collect();
    let pid = template.pid();
    let release = std::thread::spawn(move || {
        let all_run = anyfork_tests::wait_until(LIMIT / 2, || anyfork_tests::children(pid).len() >= 600);
        drop(writer);
        assert!(all_run, "they were not all there");
    });
    assert!(finish_all(ends, Trigger::Level).into_iter().all(|status| status.unwrap().success()));
    release.join().unwrap();
}

#[test]
fn six_hundred_starts_that_failed_at_once_are_in_one_set() {
    let failed = (0..600).map(|_| Process::new().name("\0").start(code)).collect();
    for result in finish_all(failed, Trigger::Level) {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
