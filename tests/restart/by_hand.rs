//! `Template::restart`: what comes back, and what becomes of what was there.

use crate::{by_hand, end, kill, leave_a_line, lines, load, nothing, release, report, said, stay, written};
use anyfork::{ErrorKind, Pending, Process, Restarts};
use anyfork_tests::{LONG, Scratch, Where, all_end_soon, children, lives, signal, stop, title, within};
use rustix::process::Signal;
use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

#[test]
fn a_restarted_template_has_all_that_the_first_was_given() {
    let (words, more) = (written("words", "words"), written("more", "+more"));
    let null = File::open("/dev/null").unwrap();
    let template = by_hand()
        .arg("a")
        .fds(vec![&null; 300])
        .call(load, [&*words])
        .arg(vec![b'x'; 200_000])
        .name("a table")
        .call(load, [&*more])
        .args((0..20_000).map(|_| "several"))
        .arg("z")
        .template()
        .unwrap();
    let (first, before) = (template.pid(), said(template.fork().arg("last")));
    assert!(before.starts_with("words+more a ") && before.contains(" 200000 octets ") && before.ends_with(" z last"));
    drop(null);
    for _ in 0..2 {
        let before_it = template.pid();
        template.restart().unwrap();
        assert_ne!(template.pid(), before_it);
        all_end_soon(&[before_it]);
        assert!(title(template.pid()).contains("a table"), "{}", title(template.pid()));
        assert!(said(template.fork().arg("last")) == before, "other inputs than before");
    }
    assert_ne!(template.pid(), first);
}

#[test]
fn data_are_loaded_as_they_are_then() {
    let words = written("words", "old");
    let template = by_hand().call(load, [&*words]).template().unwrap();
    fs::write(&*words, "new").unwrap();
    assert_eq!(said(template.fork()), "old");
    template.restart().unwrap();
    assert_eq!(said(template.fork()), "new");
}

#[test]
fn a_killed_template_comes_back() {
    let words = written("words", "words");
    let template = by_hand().call(load, [&*words]).template().unwrap();
    kill(&template);
    assert_eq!(template.fork().run(nothing).unwrap_err().kind(), ErrorKind::TemplateGone);
    template.restart().unwrap();
    assert_eq!(said(template.fork()), "words");
}

#[test]
fn workers_of_the_old_one_go_on_and_their_statuses_arrive() {
    let template = by_hand().template().unwrap();
    let first = template.pid();
    let workers = [3, 4, 5].map(|code| template.fork().arg([code]).run(stay).unwrap());
    let pidfd = template.pidfd();
    template.restart().unwrap();
    all_end_soon(&[first]);
    assert!(workers.iter().all(|worker| worker.try_wait().unwrap().is_none()));
    let of_the_new_one = template.fork().arg([6]).run(stay).unwrap();
    for (code, worker) in (3..).zip(workers.iter().chain([&of_the_new_one])) {
        assert_eq!(release(worker).code(), Some(code));
    }
    if let Some(pidfd) = pidfd {
        let mut polls = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut polls, None).unwrap();
    }
}

#[test]
fn a_restart_that_fails_says_why_and_the_template_stays_as_it_was() {
    let words = written("words", "words");
    let template = by_hand().call(load, [&*words]).template().unwrap();
    let pid = template.pid();
    fs::remove_file(&*words).unwrap();
    let error = template.restart().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preparation);
    assert!(error.to_string().contains("restart::load: No such file"), "{error}");
    assert_eq!((template.pid(), said(template.fork())), (pid, "words".into()));
}

#[test]
fn nothing_is_lost_while_it_is_restarted_again_and_again() {
    let template = by_hand().arg("inherited").template().unwrap();
    let (is_over, count) = (AtomicBool::new(false), AtomicU32::new(0));
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            assert_eq!(said(template.fork()), " inherited");
            let prepared = template.fork().call(nothing, ["x"]);
            assert!(end(&prepared.run(nothing).unwrap()).success());
            // They are packed when the process of the template has been chosen, which takes a moment.
            let packed = template.fork().args((0..100).map(|_| [0; 50_000]));
            assert!(end(&packed.run(nothing).unwrap()).success());
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let workers = [0; 4].map(|_| scope.spawn(work));
        let mut pids = vec![template.pid()];
        for _ in 0..10 {
            let before = count.load(Ordering::Relaxed);
            within(LONG, "work is done", || (count.load(Ordering::Relaxed) > before + 2).then_some(()));
            template.restart().unwrap();
            pids.push(template.pid());
        }
        is_over.store(true, Ordering::Relaxed);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        all_end_soon(&pids[..10]);
    });
}

#[test]
fn starts_that_wait_for_the_old_one_are_not_lost() {
    let template = by_hand().arg("inherited").template().unwrap();
    let first = template.pid();
    stop(first);
    // More than its socket takes.
    let starting: Vec<_> = (0..1000).map(|_| template.fork().start(nothing)).collect();
    template.restart().unwrap();
    let behind = template.fork().run(nothing).unwrap();
    assert!(children(template.pid()).contains(&behind.pid()) || end(&behind).success());
    signal(first, Signal::CONT);
    for starting in starting {
        assert!(end(&starting.wait().unwrap()).success());
    }
    all_end_soon(&[first]);
}

#[test]
fn a_start_that_took_a_spare_of_the_old_one_goes_on() {
    let template = by_hand().arg("inherited").template().unwrap();
    template.spares(1..=4).unwrap();
    within(LONG, "four wait", || (template.spares_waiting() == 4).then_some(()));
    let prepared = template.fork().call(nothing, ["x"]);
    let first = template.pid();
    template.restart().unwrap();
    assert!(end(&prepared.run(nothing).unwrap()).success());
    all_end_soon(&[first]);
    within(LONG, "four wait at the new one", || (template.spares_waiting() == 4).then_some(()));
    assert_eq!(children(template.pid()).len(), 4);
    let worker = template.fork().blocking_socket(true).run(report).unwrap();
    assert_eq!(anyfork_tests::answer(&worker), " inherited");
    template.spares(0..=0).unwrap();
    template.restart().unwrap();
    assert_eq!(template.spares_waiting(), 0);
}

#[test]
fn a_process_that_was_not_started_yet_comes_from_the_new_one() {
    let template = by_hand().template().unwrap();
    let process = template.fork().arg([7]);
    let prepared = template.fork().arg([8]).call(nothing, ["x"]);
    let mut command = template.command("sh");
    command.args(["-c", "exit $PPID"]);
    template.restart().unwrap();
    let worker = process.run(stay).unwrap();
    assert!(children(template.pid()).contains(&worker.pid()));
    assert_eq!(release(&worker).code(), Some(7));
    assert_eq!(release(&prepared.run(stay).unwrap()).code(), Some(8));
    assert_eq!(command.status().unwrap().code(), Some((template.pid() & 0xff) as i32));
}

#[test]
fn a_restart_is_a_value_to_be_polled_awaited_and_dropped() {
    let witness = Scratch::new("polled");
    let template = by_hand().call(leave_a_line, [&*witness, "50"]).template().unwrap();
    let first = template.pid();
    let mut restart = template.start_restart();
    while restart.try_finish().unwrap().is_none() {
        assert_eq!(template.pid(), first);
        let mut polls = [rustix::event::PollFd::new(&restart, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut polls, None).unwrap();
    }
    assert_ne!(template.pid(), first);
    let second = template.pid();
    for (_, place) in Where::ALL {
        place.run(async { template.start_restart().await.unwrap() });
    }
    Pending::wait(template.start_restart()).unwrap();
    assert_ne!(template.pid(), second);
    assert_eq!(lines(&witness), 7);

    let last = template.pid();
    let restart = template.start_restart();
    within(LONG, "it prepares itself", || (lines(&witness) == 8).then_some(()));
    drop(restart);
    let pid = fs::read_to_string(&*witness).unwrap().lines().last().unwrap().parse().unwrap();
    all_end_soon(&[pid]);
    assert_eq!(template.pid(), last);
    assert!(end(&template.fork().run(nothing).unwrap()).success());
}

#[test]
fn the_deadline_of_the_preparation_is_that_of_a_restart() {
    let witness = Scratch::new("deadline");
    let slow = written("slow", "");
    let process = by_hand().call(leave_a_line, [&*witness, "0"]).call(wait_for_absence, [&*slow]);
    fs::remove_file(&*slow).unwrap();
    let template = process.deadline(Duration::from_millis(300)).template().unwrap();
    let pid = template.pid();
    fs::write(&*slow, "").unwrap();
    let begin = std::time::Instant::now();
    assert_eq!(template.restart().unwrap_err().kind(), ErrorKind::Deadline);
    assert!((300..10_000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    let given_up = fs::read_to_string(&*witness).unwrap().lines().last().unwrap().parse().unwrap();
    all_end_soon(&[given_up]);
    assert!(lives(pid) && template.pid() == pid);
}

#[anyfork::entry]
fn wait_for_absence(path: String) {
    while fs::exists(&path).unwrap() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_handle_that_was_dropped_meanwhile_is_not_restarted() {
    let template = by_hand().template().unwrap();
    let (process, restart) = (template.fork(), template.start_restart());
    let pid = template.pid();
    drop(template);
    all_end_soon(&[pid]);
    let error = restart.wait().unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::TemplateGone, "restart a template: the template was dropped".into())
    );
    assert_eq!(process.run(nothing).unwrap_err().kind(), ErrorKind::TemplateGone);
}

#[test]
fn a_template_without_a_recipe_says_what_to_call() {
    let template = Process::new().template().unwrap();
    for error in [template.restart().unwrap_err(), template.fresh().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("call `restarts`"), "{error}");
    }
}

#[test]
fn a_recipe_is_kept_from_the_beginning_or_not_at_all() {
    let restarts = Restarts::by_hand();
    for process in [Process::new().arg(1), Process::new().call(nothing, ["x"]), Process::new().fd(io_null())] {
        let error = process.restarts(restarts).template().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let backoff = Duration::from_secs(2)..=Duration::from_secs(1);
    let error = Process::new().restarts(restarts.backoff(backoff)).template().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let given = Process::from_fd(Process::new().into_fd().unwrap()).unwrap();
    assert_eq!(given.restarts(restarts).template().unwrap_err().kind(), ErrorKind::Unsupported);
}

fn io_null() -> File {
    File::open("/dev/null").unwrap()
}

#[test]
fn a_template_that_was_given_away_leaves_its_recipe_behind() {
    let template = by_hand().arg("inherited").template().unwrap();
    let pid = template.pid();
    let taken = anyfork::Template::from_fd(template.into_fd().unwrap()).unwrap();
    assert_eq!((taken.pid(), said(taken.fork())), (pid, " inherited".into()));
    assert_eq!(taken.restart().unwrap_err().kind(), ErrorKind::Unsupported);
}
