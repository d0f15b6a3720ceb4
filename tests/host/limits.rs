//! Starts while the template or the host may have no more processes or descriptors.

use crate::{Outcome, entries, pause, say};
use anyfork::{Command, Pending, Process, Template, Worker};
use anyfork_tests::{LONG, children, lives, stop, within};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit, setrlimit};
use std::fs::File;
use std::time::{Duration, Instant};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["processes", user] => processes(user.parse()?),
        ["under-way", user] => under_way(user.parse()?),
        ["orders-under-way", user] => orders_under_way(user.parse()?),
        ["template-descriptors"] => template_descriptors(),
        ["host-descriptors"] => host_descriptors(),
        ["kill-tree"] => kill_tree(),
        ["deadlines"] => deadlines(),
        _ => Err("which limit?".into()),
    }
}

/// `kind errno text` of an error, `none` without one.
pub(crate) fn shown(result: anyfork::Result<Worker>) -> String {
    match result {
        Ok(_) => "none".into(),
        Err(error) => format!("{:?} {} {error}", error.kind(), error.raw_os_error().unwrap_or(0)),
    }
}

/// As a user whom the limit concerns. Limits of another process of the same user may be set without privileges.
fn processes(user: u32) -> Outcome {
    rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user))?;
    let template = Process::new().template()?;
    // After one start each it has closed what it had open while it got ready.
    ended(template.fork().run(entries::park))?;
    ended(Process::new().run(entries::park))?;
    say("template", template.pid());
    let file = File::open("/dev/null")?;
    let templates = [template.pid(), anyfork_tests::children(std::process::id())[0]];
    pause("look-before");
    let usual = getrlimit(Resource::Nproc).current;
    limit_processes(templates, Some(1))?;
    for (key, process) in [("plain", template.fork()), ("prepared", template.fork().call(entries::nothing, [""; 0]))] {
        say(key, shown(process.fd(&file).run(entries::accept)));
    }
    say("default", shown(Process::new().run(entries::nothing)));
    pause("look-after");
    limit_processes(templates, usual)?;
    say("template-again", shown(template.fork().run(entries::nothing)));
    say("default-again", shown(Process::new().run(entries::nothing)));
    Ok(())
}

/// A template of a user whose descriptors under way are counted (unix(7), ETOOMANYREFS): it has the limit that the program had when it was made.
pub(crate) fn of_few_under_way(user: u32) -> Outcome<Template> {
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..usual })?;
    rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user))?;
    let template = Process::new().template()?;
    setrlimit(Resource::Nofile, usual)?;
    Ok(template)
}

/// As a user whose descriptors under way are counted (unix(7), ETOOMANYREFS): more answers at once than that, as workers have the limit of their template.
fn under_way(user: u32) -> Outcome {
    let template = of_few_under_way(user)?;
    let mut starting: Vec<_> = (0..200).map(|_| template.fork().start(entries::nothing)).collect();
    // Meanwhile nobody takes them in.
    std::thread::sleep(std::time::Duration::from_millis(100));
    // As an event loop would. (A caller that waits for one while others have the room gets some without.)
    let mut workers: Vec<Worker> = Vec::new();
    while workers.len() < 200 {
        let mut pending = Vec::new();
        for mut one in starting {
            match one.try_finish()? {
                Some(worker) => workers.push(worker),
                None => pending.push(one),
            }
        }
        starting = pending;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    say("with-pidfd", workers.iter().filter(|worker| worker.pidfd().is_some()).count());
    Ok(())
}

#[anyfork::entry]
fn count(descriptors: Vec<std::os::fd::OwnedFd>) -> std::process::ExitCode {
    (descriptors.len() as u8).into()
}

/// Orders with more descriptors in all than may be under way, to a template that takes none; then it goes on.
fn orders_under_way(user: u32) -> Outcome {
    const EACH: usize = 250;
    rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user))?;
    let template = Process::new().template()?;
    ended(template.fork().run(entries::park))?;
    let open = anyfork_tests::open_files(std::process::id());
    setrlimit(Resource::Nofile, Rlimit { current: Some(3 * EACH as u64 - 50), ..getrlimit(Resource::Nofile) })?;
    stop(template.pid());
    let file = File::open("/dev/null")?;
    let starting: Vec<_> = (0..5).map(|_| template.fork().fds(vec![&file; EACH]).start(count)).collect();
    // What could not be sent is still open here.
    say("kept", anyfork_tests::descriptors(std::process::id()).len() - open.len());
    anyfork_tests::signal(template.pid(), rustix::process::Signal::CONT);
    let codes = starting.into_iter().map(|starting| starting.wait()?.wait());
    say("right", codes.filter(|code| code.as_ref().is_ok_and(|code| code.code() == Some(EACH as i32))).count());
    drop(file);
    say("left", anyfork_tests::open_files(std::process::id()) != open);
    Ok(())
}

/// How many processes the user of these templates may have when they fork.
pub(crate) fn limit_processes(templates: [u32; 2], current: Option<u64>) -> rustix::io::Result<()> {
    let limit = Rlimit { current, ..getrlimit(Resource::Nproc) };
    let pids = templates.map(|pid| rustix::process::Pid::from_raw(pid as i32));
    pids.into_iter().try_for_each(|pid| prlimit(pid, Resource::Nproc, limit).map(drop))
}

/// The test lowers the template's limit step by step; each start must end, well or with the right error.
fn template_descriptors() -> Outcome {
    let template = Process::new().template()?;
    // After one start each it has closed what it had open while it got ready.
    ended(template.fork().run(entries::park))?;
    ended(Process::new().run(entries::park))?;
    say("template", template.pid());
    let file = File::open("/dev/null")?;
    for step in 0..12 {
        pause(&format!("limit-{step}"));
        let process = template.fork().fds([&file; 3]);
        say(&format!("step-{step}"), shown(ended(process.run(entries::park))));
    }
    pause("lift-it");
    say("again", shown(ended(template.fork().fds([&file; 50]).run(entries::park))));
    pause("done");
    Ok(())
}

/// A worker that has been started must also end, and its status arrive.
fn ended(worker: anyfork::Result<Worker>) -> anyfork::Result<Worker> {
    worker.inspect(|worker| {
        crate::release(worker, 9);
        assert_eq!(worker.wait().map(|status| status.code()).ok(), Some(Some(9)));
    })
}

fn host_descriptors() -> Outcome {
    sweep("first", || Process::new().run(entries::park))?;
    let template: Template = Process::new().template()?;
    sweep("template", || template.fork().run(entries::park))?;
    sweep("exec", || Process::exec().run(entries::park))?;
    sweep("prepared", || template.fork().call(entries::nothing, [""; 0]).run(entries::park))?;
    sweep("bound", || template.fork().fd(std::io::stdin()).die_with_owner(true).run(entries::park))?;
    pause("done");
    Ok(())
}

/// A tree is killed with room for no descriptor, one, two, and so on: all of it, or there is an error.
fn kill_tree() -> Outcome {
    let usual = getrlimit(Resource::Nofile);
    let mut results = Vec::new();
    for room in 0..12 {
        let mut tree = Command::new("/bin/sh").args(["-c", "sleep 60 & sleep 60 & sleep 60"]).spawn()?;
        let members =
            within(LONG, "all have been started", || Some(children(tree.id())).filter(|children| children.len() == 3));
        let open = anyfork_tests::descriptors(std::process::id());
        let first_free = (0..).find(|number| !open.contains_key(number)).unwrap_or(0);
        setrlimit(Resource::Nofile, Rlimit { current: Some(u64::from(first_free + room)), ..usual })?;
        let killed = tree.kill_tree();
        setrlimit(Resource::Nofile, usual)?;
        let left = members.iter().filter(|pid| lives(**pid)).count();
        results.push(killed.map_or_else(|error| format!("{:?}", error.kind()), |()| format!("{left} left")));
        tree.kill_tree()?;
        tree.wait()?;
    }
    say("killed", results.join("|"));
    Ok(())
}

/// Starts that get no answer, in an event loop that makes their descriptors with room for none, one, two, and so on.
fn deadlines() -> Outcome {
    const SHORT: Duration = Duration::from_millis(100);
    let template = Process::new().template()?;
    stop(template.pid());
    asked_for("start", || template.fork().deadline(SHORT).start(entries::nothing))?;
    asked_for("output", || template.command("true").deadline(SHORT).start_output())?;
    asked_for("failed", || Process::new().name("\0").start(entries::nothing))?;
    let _full: Vec<_> = (0..900).map(|_| template.fork().start(entries::nothing)).collect();
    asked_for("queued", || template.fork().deadline(SHORT).start(entries::nothing))?;
    Ok(())
}

/// Tells what comes of each.
fn asked_for<P: Pending>(key: &str, start: impl Fn() -> P) -> Outcome {
    let usual = getrlimit(Resource::Nofile);
    let mut results = Vec::new();
    for room in 0..5 {
        let pending = start();
        let open = anyfork_tests::descriptors(std::process::id());
        let first_free = (0..).find(|number| !open.contains_key(number)).unwrap_or(0);
        setrlimit(Resource::Nofile, Rlimit { current: Some(u64::from(first_free + room)), ..usual })?;
        let result = result_of(pending);
        setrlimit(Resource::Nofile, usual)?;
        results.push(result);
    }
    say(key, results.join("|"));
    Ok(())
}

/// Asks when the descriptor is readable, and only then.
fn result_of<P: Pending>(mut pending: P) -> String {
    let until = Instant::now() + LONG / 4;
    let limit = Timespec { tv_sec: 2, tv_nsec: 0 };
    while Instant::now() < until {
        if poll(&mut [PollFd::new(&pending, PollFlags::IN)], Some(&limit)) == Ok(0) {
            return "never readable".into();
        }
        match pending.try_finish() {
            Ok(None) => {}
            Ok(Some(_)) => return "started".into(),
            Err(error) => return format!("{:?}", error.kind()),
        }
    }
    "never finished".into()
}

/// Starts with room for no descriptor, one, two, and so on.
fn sweep(key: &str, start: impl Fn() -> anyfork::Result<Worker>) -> Outcome {
    let usual = getrlimit(Resource::Nofile);
    let open = anyfork_tests::descriptors(std::process::id());
    let first_free = (0..).find(|number| !open.contains_key(number)).unwrap_or(0);
    let before = anyfork_tests::open_files(std::process::id());
    let mut results = Vec::new();
    for room in 0..10 {
        setrlimit(Resource::Nofile, Rlimit { current: Some(u64::from(first_free + room)), ..usual })?;
        let result = ended(start());
        setrlimit(Resource::Nofile, usual)?;
        results.push(shown(result));
    }
    say(key, results.join("|"));
    say(&format!("{key}-again"), shown(ended(start())));
    say(&format!("{key}-left"), anyfork_tests::open_files(std::process::id()) != before);
    Ok(())
}
