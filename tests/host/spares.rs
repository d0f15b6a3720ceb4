//! Templates with spares, which a test kills, or which may have no more processes or descriptors.

use crate::faults::kind_of;
use crate::limits::{limit_processes, of_few_under_way, shown};
use crate::{Outcome, entries, foreign, list, owner, parked, pause, release, say};
use anyfork::{Process, Template, Worker};
use anyfork_tests::{LONG, children, open_files, wait_until, within};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["family", witness, how] => family(witness, how),
        ["killed-template"] => killed_template(),
        ["killed-under-way"] => killed_under_way(),
        ["forked"] => forked(),
        ["threads"] => threads(),
        ["processes", user] => processes(user.parse()?),
        ["under-way", user] => under_way(user.parse()?),
        ["template-descriptors"] => template_descriptors(),
        ["host-descriptors"] => host_descriptors(),
        ["busy-without-descriptors"] => busy_without_descriptors(),
        ["many-for-few-descriptors"] => many_for_few_descriptors(),
        _ => Err("which spares?".into()),
    }
}

/// One with as many spares waiting as there may be.
pub(crate) fn template(spares: RangeInclusive<usize>) -> anyfork::Result<Template> {
    let template = Process::new().template()?;
    template.spares(spares.clone())?;
    wait_for(&template, *spares.end());
    Ok(template)
}

fn wait_for(template: &Template, count: usize) {
    within(LONG, "they wait", || (template.spares_waiting() == count).then_some(()));
}

/// Starts workers until all wait again, as after a failure it takes a start to order more.
fn come_back(template: &Template, count: usize) -> anyfork::Result<()> {
    let until = Instant::now() + LONG;
    while template.spares_waiting() < count {
        assert!(Instant::now() < until, "{} of {count} came back", template.spares_waiting());
        assert!(template.fork().run(entries::nothing)?.wait()?.success());
        wait_until(Duration::from_millis(200), || template.spares_waiting() >= count);
    }
    Ok(())
}

/// Ends those that wait, and those that are still to come.
fn end_all(template: &Template) -> anyfork::Result<()> {
    template.spares(0..=0)?;
    within(LONG, "they end", || (template.spares_waiting() == 0 && children(template.pid()).is_empty()).then_some(()));
    Ok(())
}

/// Workers that took a spare each, in every state, and others that wait.
fn family(witness: &str, how: &str) -> Outcome {
    let template = template(0..=5)?;
    let free = template.fork().arg(format!("{witness}.free")).run(entries::go_on_after_eof)?;
    let (bound, _) = parked(template.fork().die_with_owner(true))?;
    let preparing = template.fork().call(entries::prepare_for_ever, [format!("{witness}.preparing")]);
    say("template", template.pid());
    say("free", free.pid());
    say("bound", bound.pid());
    if how == "forked" {
        say("child", owner::fork_a_child());
    }
    pause("ready");
    drop(preparing);
    Ok(())
}

fn killed_template() -> Outcome {
    let warm = template(0..=2)?;
    assert!(warm.fork().run(entries::nothing)?.wait()?.success());
    drop(warm);
    let open = open_files(std::process::id());
    let template = template(0..=3)?;
    say("template", template.pid());
    pause("kill-it");
    say("at-once", kind_of(template.spares(0..=3)));
    say("before", template.spares_waiting());
    say("run", list((0..3).map(|_| kind_of(template.fork().run(entries::nothing)))));
    say("again", kind_of(template.spares(0..=3)));
    say("waiting", template.spares_waiting());
    say("memory", template.spares_memory());
    say("other", Process::new().run(entries::nothing)?.wait()?.success());
    drop(template);
    say("descriptors", if open_files(std::process::id()) == open { "same" } else { "other" });
    pause("done");
    Ok(())
}

/// Kills the template while workers are made of its spares: each start ends, well or with the right error, and who has started ends well.
fn killed_under_way() -> Outcome {
    drop(template(0..=2)?);
    let open = open_files(std::process::id());
    let (mut well, mut kinds) = (0, HashSet::new());
    for round in 0..24 {
        let template = template(2..=6)?;
        let pid = Pid::from_raw(template.pid() as i32).ok_or("no number")?;
        let results: Vec<anyfork::Result<Worker>> = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_micros(round * 100));
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            });
            (0..12).map(|_| template.fork().run(entries::nothing)).collect()
        });
        for result in results {
            match result {
                Ok(worker) => {
                    assert!(worker.wait_timeout(LONG)?.ok_or("it goes on")?.success());
                    well += 1;
                }
                Err(error) => _ = kinds.insert(format!("{:?}", error.kind())),
            }
        }
    }
    say("well", well);
    say("kinds", list(kinds));
    say("descriptors", if open_files(std::process::id()) == open { "same" } else { "other" });
    pause("done");
    Ok(())
}

/// A fork of the program uses its copy of the handle while reports are there that nobody has taken.
fn forked() -> Outcome {
    let template = template(0..=2)?;
    template.spares(0..=6)?;
    std::thread::sleep(Duration::from_millis(200));
    if foreign::fork_and_wait() == 0 {
        drop(template);
        foreign::leave();
    }
    if foreign::fork_and_wait() == 0 {
        say("waiting", template.spares_waiting());
        say("memory", template.spares_memory());
        say("spares", foreign::shown(template.spares(0..=1)));
        say("fork", foreign::shown(template.fork().run(entries::nothing)));
        foreign::leave();
    }
    let pids = children(template.pid());
    wait_for(&template, 6);
    let workers: Vec<Worker> =
        (0..6).map(|_| parked(template.fork()).map(|(worker, _)| worker)).collect::<Result<_, _>>()?;
    say("taken", workers.iter().filter(|worker| pids.contains(&worker.pid())).count());
    Ok(())
}

/// Says its number and what it was given, stays until its socket is at its end, and ends with a code.
#[anyfork::entry]
fn repeat(mut socket: UnixStream, text: String, code: u8) -> std::io::Result<ExitCode> {
    write!(socket, "{} {text}", std::process::id())?;
    socket.shutdown(Shutdown::Write)?;
    socket.read_to_end(&mut Vec::new())?;
    Ok(code.into())
}

const THREADS: usize = 200;

/// Each thread has one worker at a time, and all live at once.
fn threads() -> Outcome {
    let template = template(8..=32)?;
    end_all(&template)?;
    let open = open_files(std::process::id());
    template.spares(8..=32)?;
    let all_live = Barrier::new(THREADS);
    let seen = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (template, all_live, seen) = (&template, &all_live, &seen);
            scope.spawn(move || {
                for round in 0..4 {
                    let (text, code) = (format!("{thread} in {round}"), (thread + round) as u8);
                    let process = template.fork().arg(&text).arg(code).blocking_socket(true);
                    let worker = process.run(repeat);
                    let said = worker.as_ref().ok().map(|worker| {
                        let mut said = String::new();
                        worker.socket().read_to_string(&mut said).map(|_| said)
                    });
                    // Nobody waits for one that has failed.
                    all_live.wait();
                    let worker = worker.expect("a worker");
                    assert_eq!(said.unwrap().unwrap(), format!("{} {text}", worker.pid()));
                    seen.lock().unwrap().push((round, worker.pid()));
                    worker.socket().shutdown(Shutdown::Write).unwrap();
                    assert_eq!(worker.wait().unwrap().code(), Some(code.into()), "{text}");
                }
            });
        }
    });
    let seen = seen.into_inner()?;
    say("workers", seen.len());
    say("distinct", seen.iter().collect::<HashSet<_>>().len());
    end_all(&template)?;
    say("descriptors", if open_files(std::process::id()) == open { "same" } else { "other" });
    pause("done");
    Ok(())
}

/// As a user whom the limit concerns.
fn processes(user: u32) -> Outcome {
    rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user))?;
    let template = Process::new().template()?;
    let templates = [template.pid(), children(std::process::id())[0]];
    let usual = getrlimit(Resource::Nproc).current;
    limit_processes(templates, Some(1))?;
    template.spares(0..=3)?;
    std::thread::sleep(Duration::from_millis(50));
    say("none", template.spares_waiting());
    say("start", shown(template.fork().run(entries::nothing)));
    limit_processes(templates, usual)?;
    say("again", shown(template.fork().run(entries::nothing)));
    come_back(&template, 3)?;
    limit_processes(templates, Some(1))?;
    // Those that wait need not be forked any more.
    say("waiting", list((0..3).map(|_| shown(ended(template.fork())))));
    say("behind-them", shown(template.fork().run(entries::nothing)));
    limit_processes(templates, usual)?;
    say("once-more", shown(ended(template.fork())));
    come_back(&template, 3)?;
    Ok(())
}

/// Runs a worker to its end.
fn ended(process: Process) -> anyfork::Result<Worker> {
    let worker = process.run(entries::park)?;
    release(&worker, 9);
    assert_eq!(worker.wait()?.code(), Some(9));
    Ok(worker)
}

/// More sockets than this user may have under way (unix(7), ETOOMANYREFS), for a program that is busy elsewhere.
fn under_way(user: u32) -> Outcome {
    let template = of_few_under_way(user)?;
    template.spares(0..=200)?;
    within(LONG, "as many as may be under way", || (children(template.pid()).len() >= 60).then_some(()));
    std::thread::sleep(Duration::from_millis(200));
    say("under-way", children(template.pid()).len());
    let before = cpu_time(template.pid())?;
    std::thread::sleep(Duration::from_millis(500));
    say("busy-ms", (cpu_time(template.pid())? - before).as_millis());
    wait_for(&template, 200);
    say("start", shown(ended(template.fork())));
    Ok(())
}

/// What a process has used, to clock ticks.
fn cpu_time(pid: u32) -> Result<Duration, Box<dyn std::error::Error>> {
    let fields = stat_fields(pid)?;
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_secs(ticks) / rustix::param::clock_ticks_per_second() as u32)
}

/// The fields of `/proc/PID/stat` behind the name.
fn stat_fields(pid: u32) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(text.rsplit_once(") ").ok_or("no name")?.1.split(' ').map(str::to_owned).collect())
}

fn template_descriptors() -> Outcome {
    let template = template(0..=3)?;
    ended(template.fork())?;
    end_all(&template)?;
    let pid = Pid::from_raw(template.pid() as i32);
    let open = open_files(template.pid());
    let numbers = anyfork_tests::descriptors(template.pid());
    let first_free = (0..).find(|number| !numbers.contains_key(number)).unwrap_or(0);
    let usual = getrlimit(Resource::Nofile);
    let mut results = Vec::new();
    for room in 0..8 {
        let limit = Rlimit { current: Some(u64::from(first_free + room)), ..usual };
        prlimit(pid, Resource::Nofile, limit)?;
        template.spares(0..=3)?;
        std::thread::sleep(Duration::from_millis(50));
        let waiting = template.spares_waiting();
        results.push(format!("{waiting} {}", shown(ended(template.fork()))));
        prlimit(pid, Resource::Nofile, usual)?;
        come_back(&template, 3)?;
        end_all(&template)?;
    }
    say("results", results.join("|"));
    say("descriptors", if open_files(template.pid()) == open { "same" } else { "other" });
    pause("done");
    Ok(())
}

fn host_descriptors() -> Outcome {
    let template = template(0..=3)?;
    ended(template.fork())?;
    end_all(&template)?;
    let open = open_files(std::process::id());
    let mut results = Vec::new();
    for room in 0..10 {
        let lift = limit_own_descriptors(room)?;
        template.spares(0..=3)?;
        std::thread::sleep(Duration::from_millis(50));
        let waiting = template.spares_waiting();
        let result = ended(template.fork());
        lift()?;
        results.push(format!("{waiting} {}", shown(result)));
        come_back(&template, 3)?;
        end_all(&template)?;
    }
    say("results", results.join("|"));
    say("descriptors", if open_files(std::process::id()) == open { "same" } else { "other" });
    pause("done");
    Ok(())
}

/// Leaves room for so many more descriptors. Returns what lifts the limit.
fn limit_own_descriptors(room: u32) -> rustix::io::Result<impl Fn() -> rustix::io::Result<()>> {
    let usual = getrlimit(Resource::Nofile);
    let open = anyfork_tests::descriptors(std::process::id());
    let first_free = (0..).find(|number| !open.contains_key(number)).unwrap_or(0);
    setrlimit(Resource::Nofile, Rlimit { current: Some(u64::from(first_free + room)), ..usual })?;
    Ok(move || setrlimit(Resource::Nofile, usual))
}

/// Starts again and again, with room for few spares, which leave none for a start.
fn busy_without_descriptors() -> Outcome {
    let template = Process::new().template()?;
    let none = faults_of_children(template.pid())?;
    template.spares(4..=16)?;
    wait_for(&template, 16);
    end_all(&template)?;
    let before = faults_of_children(template.pid())?;
    let of_one = (before - none) / 16;
    let lift = limit_own_descriptors(4)?;
    template.spares(4..=16)?;
    let begin = Instant::now();
    let mut started = 0;
    while begin.elapsed() < Duration::from_millis(500) {
        started += u32::from(template.fork().run(entries::nothing).is_ok());
        std::thread::sleep(Duration::from_millis(1));
    }
    lift()?;
    say("started", started);
    end_all(&template)?;
    say("forked", (faults_of_children(template.pid())? - before) / of_one);
    template.spares(4..=16)?;
    wait_for(&template, 16);
    say("start", shown(ended(template.fork())));
    Ok(())
}

/// The pages that all children of a process have touched which it has waited for: each one that only waits for orders touches about as many.
fn faults_of_children(pid: u32) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(stat_fields(pid)?[8].parse()?)
}

/// More wait to be told than the socket has room for, and come together when the program looks, which cannot have so many.
fn many_for_few_descriptors() -> Outcome {
    let template = template(0..=3)?;
    end_all(&template)?;
    let open = open_files(std::process::id());
    let lift = limit_own_descriptors(40)?;
    template.spares(0..=1000)?;
    // As many come together as there is room for. (Looking at processes takes descriptors.)
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..20 {
        template.spares_waiting();
        std::thread::sleep(Duration::from_millis(10));
    }
    let waiting = template.spares_waiting();
    // They have all that there is: room for pidfds.
    template.spares(0..=waiting.saturating_sub(12))?;
    let workers: Vec<Worker> = (0..10).map(|_| template.fork().run(entries::park)).collect::<Result<_, _>>()?;
    // Each has its own socket and its own status.
    for (code, worker) in (100..).zip(&workers) {
        release(worker, code);
        assert_eq!(worker.wait()?.code(), Some(code.into()));
    }
    drop(workers);
    lift()?;
    say("waited", waiting);
    say("start", shown(ended(template.fork())));
    template.spares(49..=50)?;
    come_back(&template, 50)?;
    end_all(&template)?;
    say("descriptors", if open_files(std::process::id()) == open { "same" } else { "other" });
    pause("done");
    Ok(())
}
