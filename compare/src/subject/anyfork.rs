//! anyfork: workers of a template that was made by `Process::new().template()`, and external programs of the default template.

use super::ballast;
use super::others;
use super::pace::{latencies, rate};
use super::programs::{DESCRIPTORS, PROGRAM, USER, is_root};
use super::spares;
use crate::memory;
use crate::wire::{Reply, Request};
use anyfork::{Child, Command, Limit, Process, Starting, Template, Worker};
use memmap2::Advice;
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

#[anyfork::entry]
fn finish() {}

#[anyfork::entry]
fn first_byte(mut socket: UnixStream) -> std::io::Result<()> {
    socket.write_all(b"1")
}

/// Says who it is and waits.
#[anyfork::entry]
fn idle(mut socket: UnixStream) -> std::io::Result<()> {
    socket.write_all(b"1")?;
    // However the other end is closed.
    let _ = socket.read(&mut [0]);
    Ok(())
}

/// What a template has in its memory for all its workers.
#[anyfork::entry]
fn load(mib: usize, pages: String) {
    let advice = if pages == "huge" { Advice::HugePage } else { Advice::NoHugePage };
    std::mem::forget(ballast::touched(mib << 20, advice));
}

/// The templates, made when they are needed first.
#[derive(Default)]
pub(super) struct Anyfork {
    template: Option<Template>,
    spares: Option<Template>,
    loaded: BTreeMap<String, Template>,
}

impl Anyfork {
    pub(super) fn measure(&mut self, request: &Request) -> Reply {
        match request.case.split_once('/').unwrap_or((&request.case, "")) {
            ("run", part @ "spares") | ("first-byte-spare", part) => spares::measure(&mut self.spares, request, part),
            ("preload", part) => self.preload(request, part),
            // Its own, as it has had thousands of children then.
            ("live", _) => live(&template(), request),
            (_, "command") | ("command", _) => command(request, plain),
            (_, "command-attrs") | ("command-attrs", _) => command(request, with_attributes),
            (case, _) => of_template(self.template.get_or_insert_with(template), request, case),
        }
    }

    fn preload(&mut self, request: &Request, part: &str) -> Reply {
        let (mib, pages) = part.split_once('-').unwrap_or((part, "small"));
        let made = || Process::new().call(load, [mib, pages]).template().expect("a template with its memory");
        let template = self.loaded.entry(part.to_owned()).or_insert_with(made);
        rate(request, |in_flight| run(template, in_flight))
    }
}

pub(super) fn template() -> Template {
    Process::new().template().expect("a template")
}

fn of_template(template: &Template, request: &Request, case: &str) -> Reply {
    match case {
        "run" => rate(request, |in_flight| run(template, in_flight)),
        "exec" => rate(request, |in_flight| batch(in_flight, Process::exec)),
        "first-byte" => latencies(request, || wait_for_byte(template)),
        "caller-blocked" => latencies(request, || {
            let starting = template.fork().blocking_socket(true).start(finish);
            || see_end(&starting.wait().expect("a worker"))
        }),
        "others-blocked" => others::blocked(request, || run(template, 1)),
        "idle-memory" => idle_memory(template),
        _ => Reply::Absent,
    }
}

/// Starts so many, and sees the end of each.
pub(super) fn run(template: &Template, in_flight: usize) {
    batch(in_flight, || template.fork());
}

fn batch(in_flight: usize, process: impl Fn() -> Process) {
    if in_flight == 1 {
        return see_end(&process().blocking_socket(true).run(finish).expect("a worker"));
    }
    let start = |_| process().blocking_socket(true).start(finish);
    let starting: Vec<Starting<Worker>> = (0..in_flight).map(start).collect();
    starting.into_iter().for_each(|starting| see_end(&starting.wait().expect("a worker")));
}

/// A worker whose byte has come. Its end is to be seen later.
pub(super) fn wait_for_byte(template: &Template) -> impl FnOnce() + use<> {
    let worker = template.fork().blocking_socket(true).run(first_byte).expect("a worker");
    worker.socket().read_exact(&mut [0]).expect("a byte");
    move || see_end(&worker)
}

fn see_end(worker: &Worker) {
    assert_eq!(worker.socket().read(&mut [0]).expect("end-of-file"), 0);
}

fn idle_memory(template: &Template) -> Reply {
    let worker = template.fork().blocking_socket(true).run(idle).expect("a worker");
    worker.socket().read_exact(&mut [0]).expect("a byte");
    memory::reply(Some(template.pid()), worker.pid(), Some(spares::memory()))
}

/// Their sockets keep them alive; one of those in flight is the one that is started.
fn live(template: &Template, request: &Request) -> Reply {
    memory::allow_descriptors();
    let start = |_| template.fork().run(idle).expect("a worker").into_socket();
    let alive: Vec<UnixStream> = (1..request.in_flight).map(start).collect();
    let reply = rate(&Request { in_flight: 1, ..request.clone() }, |in_flight| run(template, in_flight));
    drop(alive);
    // Until they have ended: nobody is to be measured beside them.
    std::thread::sleep(std::time::Duration::from_micros(300) * request.in_flight as u32);
    reply
}

fn plain() -> Command {
    Command::new(PROGRAM)
}

fn with_attributes() -> Command {
    let mut command = plain();
    command.setsid(true).rlimit(Limit::Nofile, DESCRIPTORS, DESCRIPTORS);
    if is_root() {
        command.uid(USER);
    }
    command
}

fn command(request: &Request, make: fn() -> Command) -> Reply {
    let once = || assert!(make().status().expect("it starts").success());
    match request.case.split('/').next() {
        Some("caller-blocked") => latencies(request, || {
            let mut command = make();
            let starting = command.start();
            || see_success(starting)
        }),
        Some("others-blocked") => others::blocked(request, once),
        _ if request.in_flight == 1 => rate(request, |_| once()),
        _ => in_flight(request, make),
    }
}

/// A window of starts from one thread.
fn in_flight(request: &Request, make: fn() -> Command) -> Reply {
    see_success(make().start());
    let (mut window, mut count, start) = (VecDeque::new(), 0, Instant::now());
    while start.elapsed() < request.length {
        if window.len() == request.in_flight {
            window.pop_front().into_iter().for_each(see_success);
        }
        window.push_back(make().start());
        count += 1;
    }
    window.into_iter().for_each(see_success);
    Reply::Rate(f64::from(count) / start.elapsed().as_secs_f64())
}

fn see_success(starting: Starting<Child>) {
    assert!(starting.wait().and_then(|mut child| child.wait()).expect("it starts").success());
}
