//! Templates that are restarted by the start that finds them ended.

use crate::{end, kill, leave_a_child, leave_a_line, lines, load, nothing, release, said, stay, take_time, written};
use anyfork::{ErrorKind, Process, Restarts, Template};
use anyfork_tests::{LONG, SOON, Scratch, all_end_soon, signal, stop, within};
use rustix::process::Signal;
use std::fs;
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

/// A template whose preparations leave a line each, and take their time.
fn template(restarts: Restarts, witness: &str, milliseconds: u32) -> Template {
    let milliseconds = milliseconds.to_string();
    Process::new().restarts(restarts).arg("inherited").call(leave_a_line, [witness, &milliseconds]).template().unwrap()
}

fn gone(template: &Template) -> String {
    let begin = Instant::now();
    let error = template.fork().run(nothing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TemplateGone, "{error}");
    assert!(begin.elapsed() < LONG / 2, "it took {:?}", begin.elapsed());
    error.to_string()
}

#[test]
fn the_next_start_restarts_it_and_workers_of_the_dead_one_go_on() {
    let witness = Scratch::new("next");
    let template = template(Restarts::automatic(), &witness, 0);
    let pid = template.pid();
    let workers = [3, 4].map(|code| template.fork().arg([code]).run(stay).unwrap());
    kill(&template);
    assert_eq!(template.pid(), pid, "nobody has asked yet");
    assert_eq!(said(template.fork()), " inherited");
    assert_ne!(template.pid(), pid);
    assert_eq!(lines(&witness), 2);
    for (code, worker) in (3..).zip(&workers) {
        assert_eq!(release(worker).code(), Some(code));
    }
}

#[test]
fn preparations_templates_and_programs_restart_it_too() {
    let witness = Scratch::new("verbs");
    let template = template(Restarts::automatic().settled_after(Duration::ZERO), &witness, 0);
    kill(&template);
    assert!(end(&template.fork().call(nothing, ["x"]).run(nothing).unwrap()).success());
    kill(&template);
    assert_eq!(said(template.fork().arg("x").template().unwrap().fork()), " inherited x");
    kill(&template);
    assert!(template.command("true").status().unwrap().success());
    assert_eq!(lines(&witness), 4);
}

#[test]
fn what_is_under_way_fails_with_its_kind() {
    let witness = Scratch::new("under-way");
    let template = template(Restarts::automatic(), &witness, 0);
    stop(template.pid());
    let starting: Vec<_> = (0..5).map(|_| template.fork().start(nothing)).collect();
    kill(&template);
    for starting in starting {
        let kind = starting.wait().unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::TemplateGone | ErrorKind::ProcessGone), "{kind:?}");
    }
    assert!(end(&template.fork().run(nothing).unwrap()).success());
}

#[test]
fn one_that_does_not_last_is_left_alone_and_the_error_says_how_it_ended() {
    let witness = Scratch::new("pause");
    let template = template(Restarts::automatic().backoff(LONG..=LONG), &witness, 0);
    kill(&template);
    assert!(end(&template.fork().run(nothing).unwrap()).success());
    kill(&template);
    let text = gone(&template);
    let how = if cfg!(anyfork_no_pidfd) { "" } else { " (signal: 9 (SIGKILL))" };
    assert!(text.starts_with(&format!("fork: the template has ended{how}")), "{text}");
    assert!(text.contains("; it was restarted once, and is again after "), "{text}");
    assert_eq!(lines(&witness), 2);
}

#[test]
fn after_a_pause_it_is_restarted_again() {
    let witness = Scratch::new("again");
    let template = template(Restarts::automatic().backoff(300 * MS..=LONG), &witness, 0);
    kill(&template);
    let begin = Instant::now();
    assert!(end(&template.fork().run(nothing).unwrap()).success());
    kill(&template);
    within(LONG, "it is restarted", || template.fork().run(nothing).ok());
    assert!(begin.elapsed() >= 300 * MS, "after {:?}", begin.elapsed());
    assert_eq!(lines(&witness), 3);
}

#[test]
fn after_the_limit_only_a_restart_by_hand_helps() {
    let words = written("words", "words");
    let witness = Scratch::new("limit");
    let restarts = Restarts::automatic().backoff(MS..=20 * MS).limit(4);
    let process = Process::new().restarts(restarts).call(leave_a_line, [&*witness, "0"]).call(load, [&*words]);
    let template = process.template().unwrap();
    fs::remove_file(&*words).unwrap();
    kill(&template);
    let text = gone(&template);
    assert!(text.starts_with("fork: the template could not be restarted (call restart::load: No such file"), "{text}");
    assert!(text.contains("); it was restarted once, and is again after "), "{text}");
    let last =
        within(LONG, "the limit", || Some(gone(&template)).filter(|text| text.contains("only Template::restart")));
    assert!(last.contains("(call restart::load: No such file"), "{last}");
    assert!(last.ends_with("); it was restarted 4 times in a row, and only Template::restart does that now"), "{last}");
    assert_eq!(lines(&witness), 1 + 4);
    assert_eq!(template.restart().unwrap_err().kind(), ErrorKind::Preparation);
    assert_eq!(gone(&template), last);

    fs::write(&*words, "new words").unwrap();
    assert_eq!(gone(&template), last);
    template.restart().unwrap();
    assert_eq!(said(template.fork()), "new words");
    kill(&template);
    assert_eq!(said(template.fork()), "new words", "they are counted anew");
}

#[test]
fn one_that_has_lasted_is_counted_anew() {
    let witness = Scratch::new("settled");
    let template = template(Restarts::automatic().limit(1).settled_after(MS), &witness, 0);
    for _ in 0..3 {
        std::thread::sleep(MS);
        kill(&template);
        assert!(end(&template.fork().run(nothing).unwrap()).success());
    }
}

#[test]
fn to_be_dead_is_not_to_last() {
    const SETTLED: Duration = Duration::from_secs(2);
    let witness = Scratch::new("dead");
    let template = template(Restarts::automatic().limit(1).settled_after(SETTLED), &witness, 0);
    kill(&template);
    assert!(end(&template.fork().run(nothing).unwrap()).success());
    kill(&template);
    let text = gone(&template);
    assert!(text.contains("only Template::restart"), "{text}");
    std::thread::sleep(SETTLED);
    assert_eq!(gone(&template), text);
}

#[test]
fn of_many_threads_one_restarts_it_and_the_others_wait() {
    let witness = Scratch::new("threads");
    let template = template(Restarts::automatic(), &witness, 300);
    kill(&template);
    std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..16).map(|_| scope.spawn(|| end(&template.fork().run(nothing).unwrap()).success())).collect();
        assert!(starts.into_iter().all(|start| start.join().unwrap()));
    });
    assert_eq!(lines(&witness), 2);
}

#[test]
fn a_start_keeps_its_deadline_and_the_next_one_goes_on_with_the_restart() {
    let witness = Scratch::new("deadline");
    let template = template(Restarts::automatic(), &witness, 2000);
    kill(&template);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let start = || template.fork().deadline(200 * MS).run(nothing).unwrap_err().kind();
        let starts = [0; 3].map(|_| scope.spawn(start));
        for start in starts {
            assert_eq!(start.join().unwrap(), ErrorKind::Deadline);
        }
    });
    assert!((200..2000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    let starting = template.fork().deadline(LONG).start(nothing);
    assert!(starting.deadline() < begin + LONG + SOON, "the time that the restart took counts");
    assert!(end(&starting.wait().unwrap()).success());
    assert_eq!(lines(&witness), 2);
}

/// The handing over of a process keeps it likewise.
#[test]
fn a_process_that_waited_for_the_restart_is_given_away_within_its_deadline() {
    let witness = Scratch::new("given-away");
    let template = template(Restarts::automatic(), &witness, 1000);
    kill(&template);
    let limit = 2500 * MS;
    let busy = template.fork().deadline(limit).call(leave_a_line, [&*witness, "5000"]);
    // More than its socket takes.
    let busy = (0..6).fold(busy, |process, _| process.call(nothing, [vec![1; 60_000]]));
    let begin = Instant::now();
    assert_eq!(busy.into_fd().unwrap_err().kind(), ErrorKind::Deadline);
    assert!(begin.elapsed() < limit - 500 * MS, "it took {:?}", begin.elapsed());
}

#[test]
fn a_restart_that_nobody_waits_for_any_more_ends_with_the_handle() {
    let witness = Scratch::new("left");
    let template = template(Restarts::automatic(), &witness, 2000);
    kill(&template);
    let process = template.fork();
    assert_eq!(template.fork().deadline(100 * MS).run(nothing).unwrap_err().kind(), ErrorKind::Deadline);
    within(LONG, "it prepares itself", || (lines(&witness) == 2).then_some(()));
    let pid = fs::read_to_string(&*witness).unwrap().lines().last().unwrap().parse().unwrap();
    drop(template);
    all_end_soon(&[pid]);
    let error = process.run(nothing).unwrap_err();
    assert!(error.to_string().ends_with("the template was dropped"), "{error}");
}

#[test]
fn a_restart_by_hand_goes_before_one_that_is_under_way() {
    let (witness, time) = (Scratch::new("both"), written("time", "0"));
    let process = Process::new().restarts(Restarts::automatic()).call(leave_a_line, [&*witness, "0"]);
    let template = process.call(take_time, [&*time]).template().unwrap();
    kill(&template);
    fs::write(&*time, "2000").unwrap();
    let pids =
        || -> Vec<u32> { fs::read_to_string(&*witness).unwrap().lines().map(|pid| pid.parse().unwrap()).collect() };
    std::thread::scope(|scope| {
        let start = scope.spawn(|| end(&template.fork().run(nothing).unwrap()).success());
        within(LONG, "it is restarted", || (lines(&witness) == 2).then_some(()));
        std::thread::sleep(300 * MS);
        fs::write(&*time, "0").unwrap();
        template.restart().unwrap();
        assert_eq!(template.pid(), pids()[2]);
        assert!(start.join().unwrap());
    });
    assert_eq!((template.pid(), lines(&witness)), (pids()[2], 3));
    all_end_soon(&pids()[..2]);
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds nothing but its socket tells")]
fn one_whose_socket_is_held_by_a_child_has_ended_all_the_same() {
    let child = Scratch::new("child");
    let process = Process::new().restarts(Restarts::automatic()).call(leave_a_child, [&*child]);
    let template = process.template().unwrap();
    let pids = || -> u32 { fs::read_to_string(&*child).unwrap().parse().unwrap() };
    let first = pids();
    kill(&template);
    let started = template.fork().deadline(LONG / 2).run(nothing).map(|worker| end(&worker).success());
    [first, pids()].into_iter().for_each(|pid| signal(pid, Signal::KILL));
    assert!(started.unwrap());
}

#[test]
fn how_it_ended_is_known_before_its_parent_tells() {
    let upper = Process::new().template().unwrap();
    let lower = upper.fork().restarts(Restarts::automatic().limit(0)).template().unwrap();
    stop(upper.pid());
    kill(&lower);
    let text = gone(&lower);
    signal(upper.pid(), Signal::CONT);
    let how = if cfg!(anyfork_no_pidfd) { "" } else { " (signal: 9 (SIGKILL))" };
    assert!(text.starts_with(&format!("fork: the template has ended{how}; ")), "{text}");
}

#[test]
fn a_restart_by_hand_ends_one_that_nobody_waits_for_any_more() {
    let witness = Scratch::new("left-and-by-hand");
    let template = template(Restarts::automatic(), &witness, 2000);
    kill(&template);
    assert_eq!(template.fork().deadline(100 * MS).run(nothing).unwrap_err().kind(), ErrorKind::Deadline);
    within(LONG, "it is restarted", || (lines(&witness) == 2).then_some(()));
    let left = fs::read_to_string(&*witness).unwrap().lines().last().unwrap().parse().unwrap();
    template.restart().unwrap();
    all_end_soon(&[left]);
    assert!(end(&template.fork().run(nothing).unwrap()).success());
    assert_eq!(lines(&witness), 3);
}

#[test]
fn a_stopped_template_has_not_ended_and_is_restarted_by_hand() {
    let witness = Scratch::new("stopped");
    let template = template(Restarts::automatic(), &witness, 0);
    let pid = template.pid();
    stop(pid);
    assert_eq!(template.fork().deadline(100 * MS).run(nothing).unwrap_err().kind(), ErrorKind::Deadline);
    template.restart().unwrap();
    assert!(end(&template.fork().run(nothing).unwrap()).success());
    signal(pid, Signal::CONT);
    all_end_soon(&[pid]);
}

#[test]
fn one_that_is_restarted_by_hand_alone_stays_gone() {
    let witness = Scratch::new("by-hand");
    let template = template(Restarts::by_hand(), &witness, 0);
    kill(&template);
    assert_eq!(gone(&template), gone(&template));
    assert_eq!(lines(&witness), 1);
}
