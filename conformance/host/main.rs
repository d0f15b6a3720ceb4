//! A program that tests kill and listen to: one scenario, with one server, per run. It tells facts on standard output, one `key value` per line, waits where a
//! test is to look or to disturb, and ends with `end`.

use anyfork::{Binds, NO_ARGS, Reserves, Worker};
use anyfork_conformance::{InPerl, InPython, Native, Subject, end, park, run};
use std::fmt::Display;
use std::io::BufRead;

fn main() {
    // By their session the tests know all processes that come from here.
    rustix::process::setsid().unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["bound", "native", _] => bound::<Native>(),
        ["bound", "python", _] => bound::<InPython>(),
        ["spares", "native", witness] => spares::<Native>(witness),
        ["spares", "python", witness] => spares::<InPython>(witness),
        [scenario, "native", witness] => play::<Native>(scenario, witness),
        [scenario, "python", witness] => play::<InPython>(scenario, witness),
        [scenario, "perl", witness] => play::<InPerl>(scenario, witness),
        _ => panic!("no such scenario: {arguments:?}"),
    }
    say("end", "");
}

fn play<S: Subject>(scenario: &str, witness: &str) {
    match scenario {
        "family" => family::<S>(witness, false),
        "family-and-child" => family::<S>(witness, true),
        "preparing" => preparing::<S>(witness),
        "half-written" => half_written::<S>(),
        _ => panic!("no scenario {scenario}"),
    }
}

/// Tells a fact.
fn say(key: &str, value: impl Display) {
    println!("{key} {value}");
}

/// Tells that the test may look now, and waits until it has.
fn pause(key: &str) {
    say(key, "");
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}

fn list(values: impl IntoIterator<Item = u32>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}

/// Templates, one below the other and one whose upper one was dropped; and workers that are to go on.
fn family<S: Subject>(witness: &str, has_child: bool) {
    let outer = S::template();
    let inner = outer.fork().template().unwrap();
    let dropped = S::template();
    let orphan = dropped.fork().template().unwrap();
    drop(dropped);
    let origins = [S::process(), outer.fork(), inner.fork(), orphan.fork()];
    let start = |(number, process): (usize, anyfork::Process<S::Server>)| -> Worker {
        process.arg(format!("{witness}.{number}")).run(S::name("go_on_after_eof")).unwrap()
    };
    let free: Vec<Worker> = origins.into_iter().enumerate().map(start).collect();
    say("templates", list([outer.pid(), inner.pid(), orphan.pid()]));
    say("free", list(free.iter().map(Worker::pid)));
    if has_child {
        say("child", fork_a_child());
    }
    pause("ready");
}

/// A child that has a copy of everything that is open here.
fn fork_a_child() -> i32 {
    // SAFETY: this program has one thread.
    match unsafe { libc::fork() } {
        0 => {
            std::thread::sleep(std::time::Duration::from_secs(60));
            // SAFETY: no preconditions.
            unsafe { libc::_exit(0) }
        }
        pid => pid,
    }
}

/// Workers that are bound to the end of this program.
fn bound<S: Subject<Server: Binds>>() {
    let outer = S::template();
    let inner = outer.fork().template().unwrap();
    let prepared = outer.fork().call(S::name("prepare"), NO_ARGS);
    let origins = [S::process(), outer.fork(), inner.fork(), prepared];
    let bound: Vec<Worker> = origins.map(|process| park::<S>(process.die_with_owner(true)).0).into();
    let dropped = S::template();
    let orphan = park::<S>(dropped.fork().die_with_owner(true)).0;
    say("keeping", dropped.pid());
    drop(dropped);
    say("bound", list(bound.iter().chain([&orphan]).map(Worker::pid)));
    pause("ready");
}

/// Forks in advance, of which two are taken.
fn spares<S: Subject<Server: Binds + Reserves>>(witness: &str) {
    let template = S::template();
    template.spares(0..=4).unwrap();
    while template.spares_waiting() < 4 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let forks = anyfork_tests::children(template.pid());
    let free = template.fork().arg(witness).run(S::name("go_on_after_eof")).unwrap();
    let (bound, _) = park::<S>(template.fork().die_with_owner(true));
    assert!(forks.contains(&free.pid()) && forks.contains(&bound.pid()));
    let ends = forks.into_iter().filter(|pid| *pid != free.pid()).chain([template.pid()]);
    say("free", free.pid());
    say("ends", list(ends));
    pause("ready");
}

/// Processes in the midst of a preparation.
fn preparing<S: Subject>(witness: &str) {
    let template = S::template();
    let call = |number: usize, process: anyfork::Process<S::Server>| {
        process.call(S::name("prepare_for_ever"), [format!("{witness}.{number}")])
    };
    let processes = [call(0, S::process()), call(1, template.fork())];
    pause("ready");
    drop(processes);
}

/// Half a line in the buffers of a template, and half a line of each of its forks. One ends by an error.
fn half_written<S: Subject>() {
    let prepared = S::process().call(S::name("print_half_in_preparation"), ["[template]"]).template().unwrap();
    let below = prepared.fork().call(S::name("print_half_in_preparation"), ["[below]"]).template().unwrap();
    for template in [&prepared, &below] {
        for _ in 0..3 {
            end::<S>(&run::<S>(template.fork().arg("[worker]"), "print_half"));
        }
        end::<S>(&run::<S>(template.fork().arg("this message is on purpose"), "fail"));
    }
    println!();
}
