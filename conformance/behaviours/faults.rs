//! Templates that are killed, that may have no more processes, or no more descriptors.

use anyfork::{Error, ErrorKind, Template, Worker};
use anyfork_conformance::{Subject, end, has_ended, park, release, run, text};
use anyfork_tests::{
    LONG, SOON, all_end_soon, children, descriptors, fresh_user, lives, open_files, signal, stop, wait_until,
};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use std::fs::File;

pub(crate) fn a_killed_template_fails_what_is_in_flight_and_its_workers_go_on<S: Subject>() {
    let template = S::template();
    let live: Vec<Worker> = (0..3).map(|_| park::<S>(template.fork()).0).collect();
    let (dead, _) = park::<S>(template.fork());
    let below = template.fork().call(S::name("prepare"), ["kept"]).template().unwrap();
    stop(template.pid());
    let starting: Vec<_> = (0..5).map(|_| template.fork().start(S::name("state"))).collect();
    // It ends while nobody is able to wait for it.
    dead.signal(libc::SIGTERM).unwrap();
    signal(template.pid(), Signal::KILL);
    all_end_soon(&[template.pid()]);
    for starting in starting {
        let kind = starting.wait().unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::TemplateGone | ErrorKind::ProcessGone), "{kind:?}");
    }
    let later = template.fork().run(S::name("state")).unwrap_err();
    assert_eq!(later.kind(), ErrorKind::TemplateGone, "{later}");
    assert!(live.iter().all(|worker| lives(worker.pid()) && worker.try_wait().unwrap().is_none()));
    assert!(has_ended::<S>(&dead, None, Some(libc::SIGTERM)));
    for (code, worker) in (20..).zip(&live) {
        release(worker, code);
        assert!(has_ended::<S>(worker, Some(code.into()), None), "{:?}", worker.wait());
    }
    assert_eq!(text(&run::<S>(below.fork(), "state")), "kept");
    assert_eq!(text(&run::<S>(S::template().fork(), "state")), "");
}

fn set_limit(pid: u32, resource: Resource, current: Option<u64>) {
    let limit = Rlimit { current, ..getrlimit(resource) };
    prlimit(Pid::from_raw(pid as i32), resource, limit).unwrap();
}

/// A template of a user without other processes, whom limits concern.
pub(crate) fn template_of_a_fresh_user<S: Subject>() -> (Template<S::Server>, u32) {
    let user = fresh_user().expect("it takes root to become a user without other processes");
    (S::process().call(S::name("become_user"), [user]).template().unwrap(), user)
}

/// How many processes the template's user may have.
pub(crate) fn limit_processes(template: u32, user: u32, most: Option<u64>) {
    limit(template, user, Resource::Nproc, most.or(getrlimit(Resource::Nproc).current));
}

/// Sets a limit of a template of another user. Another user would need a capability for that; a thread can have a user of its own.
pub(crate) fn limit(template: u32, user: u32, resource: Resource, current: Option<u64>) {
    let limit = move || {
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user)).unwrap();
        set_limit(template, resource, current);
    };
    std::thread::spawn(limit).join().unwrap();
}

pub(crate) fn is_failed_fork(error: &Error) -> bool {
    (error.kind(), error.raw_os_error()) == (ErrorKind::System, Some(libc::EAGAIN))
        && error.to_string().contains("fork in the template")
}

pub(crate) fn a_fork_that_fails_is_one_failed_request<S: Subject>() {
    let (template, user) = template_of_a_fresh_user::<S>();
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    let before = descriptors(template.pid());
    let file = File::open("/dev/null").unwrap();
    limit_processes(template.pid(), user, Some(1));
    for _ in 0..3 {
        let error = template.fork().fd(&file).run(S::name("report")).unwrap_err();
        assert!(is_failed_fork(&error), "{error}");
        let error = template.fork().call(S::name("prepare"), ["x"]).template().unwrap_err();
        assert!(is_failed_fork(&error), "{error}");
    }
    assert!(wait_until(SOON, || descriptors(template.pid()) == before), "what came with a failed request stays open");
    limit_processes(template.pid(), user, None);
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
}

pub(crate) fn a_template_without_free_descriptors_fails_requests_and_lives<S: Subject>() {
    let template = S::template();
    assert_eq!(text(&run::<S>(template.fork(), "state")), "");
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    let open = open_files(template.pid());
    let file = File::open("/dev/null").unwrap();
    let mut failures = 0;
    for room in 0..12 {
        set_limit(template.pid(), Resource::Nofile, Some(open.len() as u64 + room));
        let result = template.fork().fds([&file; 3]).blocking_socket(true).run(S::name("park"));
        match result {
            Ok(worker) => {
                release(&worker, 9);
                assert!(has_ended::<S>(&worker, Some(9), None));
            }
            Err(error) => {
                failures += 1;
                assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::System, Some(libc::EMFILE)), "{error}");
            }
        }
    }
    assert!((1..12).contains(&failures), "{failures} of 12 failed");
    assert_eq!(open_files(template.pid()), open);
    set_limit(template.pid(), Resource::Nofile, getrlimit(Resource::Nofile).current);
    let (worker, _) = park::<S>(template.fork().fds([&file; 50]));
    release(&worker, 0);
    end::<S>(&worker);
}
