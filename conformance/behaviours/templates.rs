//! Templates: what forks have of them, who may fork, what their end means.

use anyfork::{ErrorKind, NO_ARGS};
use anyfork_conformance::{Subject, end, has_ended, park, release, run, text};
use anyfork_tests::{LONG, all_end_soon, children, lives, wait_until};

pub(crate) fn forks_see_the_preparation_and_not_that_of_siblings<S: Subject>() {
    let template = S::process().call(S::name("prepare"), ["a", "b"]).template().unwrap();
    for other in ["x", "y"] {
        let worker = run::<S>(template.fork().call(S::name("prepare"), [other]), "state");
        assert_eq!(text(&worker), format!("a,b,{other}"));
    }
    let below = template.fork().call(S::name("prepare"), ["c"]).template().unwrap();
    assert_eq!(text(&run::<S>(below.fork(), "state")), "a,b,c");
    assert_eq!(text(&run::<S>(template.fork(), "state")), "a,b");
}

pub(crate) fn a_process_is_prepared_without_a_template_too<S: Subject>() {
    let process = S::process().call(S::name("prepare"), ["a"]).call(S::name("prepare"), ["b"]);
    let worker = run::<S>(process, "state");
    assert_eq!(text(&worker), "a,b");
    assert!(end::<S>(&worker).unwrap().success());
}

pub(crate) fn four_threads_have_sixteen_starts_in_flight<S: Subject>() {
    let template = S::template();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let template = &template;
            scope.spawn(move || {
                let start = |n| template.fork().arg(thread * 16 + n).start(S::name("exit_with"));
                let starting: Vec<_> = (0..16).map(start).collect();
                let workers: Vec<_> = starting.into_iter().map(|starting| starting.wait().unwrap()).collect();
                for (n, worker) in workers.iter().enumerate() {
                    assert!(has_ended::<S>(worker, Some((thread * 16 + n) as i32), None));
                }
            });
        }
    });
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
}

pub(crate) fn a_dropped_template_ends_and_what_came_from_it_goes_on<S: Subject>() {
    let upper = S::process().call(S::name("prepare"), ["kept"]).template().unwrap();
    let lower = upper.fork().template().unwrap();
    let (worker, _) = park::<S>(upper.fork());
    let pid = upper.pid();
    drop(upper);
    all_end_soon(&[pid]);
    assert_eq!(text(&run::<S>(lower.fork(), "state")), "kept");
    assert!(lives(worker.pid()) && worker.try_wait().unwrap().is_none());
    release(&worker, 9);
    assert!(has_ended::<S>(&worker, Some(9), None));
    let pid = lower.pid();
    drop(lower);
    all_end_soon(&[pid]);
}

pub(crate) fn a_template_with_threads_is_refused<S: Subject>() {
    let error = S::process().call(S::name("leave_a_thread"), NO_ARGS).template().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Threads, "{error}");
    assert!(error.to_string().contains("2 threads"), "{error}");
    let template = S::template();
    let error = template.fork().call(S::name("leave_a_thread"), NO_ARGS).template().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Threads, "{error}");
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
}

/// `ps` shows it in the short name or in the arguments, as the server can.
fn is_shown(pid: u32, name: &str) -> bool {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    anyfork_tests::title(pid).contains(name) || comm.trim_end() == &name[..name.len().min(15)]
}

pub(crate) fn names_are_shown<S: Subject>() {
    let template = S::process().name("a template").template().unwrap();
    assert!(is_shown(template.pid(), "a template"), "{}", anyfork_tests::title(template.pid()));
    let (named, _) = park::<S>(template.fork().name("a worker"));
    assert!(is_shown(named.pid(), "a worker"), "{}", anyfork_tests::title(named.pid()));
    let (unnamed, _) = park::<S>(template.fork());
    assert!(is_shown(unnamed.pid(), "park"), "{}", anyfork_tests::title(unnamed.pid()));
    let (direct, _) = park::<S>(S::process().name("a process"));
    assert!(is_shown(direct.pid(), "a process"), "{}", anyfork_tests::title(direct.pid()));
    for worker in [named, unnamed, direct] {
        release(&worker, 0);
        end::<S>(&worker);
    }
}
