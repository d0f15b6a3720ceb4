//! Entries of modules prepare a process as those of the program do, and its forks have what they prepared.

use crate::libraries::{self, plain, small};
use crate::{check, refused_process, says};
use anyfork::{ErrorKind, NO_ARGS, Process, Template, Worker};
use std::io::{BufRead, BufReader};

fn loaded(process: Process) -> Template {
    process.load(libraries::rust()).load(&*plain()).template().unwrap()
}

#[test]
fn every_fork_has_what_a_module_has_prepared() {
    let plain = plain();
    let process = Process::new().load(libraries::rust()).load(&*plain);
    let process = process.call("module::preparations::keep", ["a"]).call("plain::keep", ["c"]);
    let outer = process.call("module::preparations::keep", ["b"]).template().unwrap();
    let inner = outer.fork().call("plain::keep", ["d"]).template().unwrap();
    for _ in 0..2 {
        assert_eq!(says(outer.fork(), "module::preparations::kept"), "a,b");
        assert_eq!(says(outer.fork(), "plain::kept"), "c");
        assert_eq!(says(inner.fork(), "module::preparations::kept"), "a,b");
        assert_eq!(says(inner.fork(), "plain::kept"), "c,d");
    }
}

#[test]
fn a_large_argument_of_a_preparation_arrives() {
    let text = "x".repeat(1 << 20);
    let template =
        Process::new().load(libraries::rust()).call("module::preparations::keep", [&text]).template().unwrap();
    assert_eq!(says(template.fork(), "module::preparations::kept"), text);
}

#[test]
fn templates_nest_and_each_has_the_modules_of_those_above_it() {
    let top = Process::new().template().unwrap();
    let middle = top.fork().load(libraries::rust()).template().unwrap();
    let bottom = middle.fork().load(&*small(&[])).template().unwrap();
    let beside = middle.fork().load(&*small(&["-DANSWER=\"beside\""])).template().unwrap();
    assert_eq!(says(bottom.fork(), "small::answer"), "1");
    assert_eq!(says(beside.fork(), "small::answer"), "beside");
    assert_eq!(says(bottom.fork(), "module::palette::colour"), "blue");
    check(&middle.fork().run("small::answer").unwrap_err(), ErrorKind::UnknownEntry, &["small::answer"]);
    check(&top.fork().run("module::palette::colour").unwrap_err(), ErrorKind::UnknownEntry, &["no entry of this name"]);
}

#[test]
fn a_fresh_exec_loads_modules_of_its_own() {
    let plain = plain();
    assert_eq!(says(Process::exec().load(libraries::rust()), "module::palette::colour"), "blue");
    let process = Process::exec().load(libraries::rust()).load(&*plain).call("plain::keep", ["x"]);
    let template = process.call("module::preparations::keep", ["y"]).template().unwrap();
    assert_eq!(says(template.fork(), "plain::kept"), "x");
    assert_eq!(says(template.fork(), "module::preparations::kept"), "y");
}

#[test]
fn a_failed_preparation_comes_back_with_what_the_module_says() {
    let template = loaded(Process::new());
    let error = |entry: &str, arg: &str| template.fork().call(entry, [arg]).template().unwrap_err();

    let refuses = error("module::preparations::refuses", "tables.bin");
    assert_eq!(refuses.to_string(), "call module::preparations::refuses: cannot load tables.bin");
    assert_eq!(refuses.kind(), ErrorKind::Preparation);
    let panics = error("module::endings::panics", "at the disco");
    let place = "call module::endings::panics: it panicked at src/endings.rs:";
    check(&panics, ErrorKind::Preparation, &[place, ": at the disco"]);
    check(&error("module::endings::code", "42"), ErrorKind::Preparation, &["it returned exit code 42"]);
    check(&error("plain::endings::error", "an error of C"), ErrorKind::Preparation, &[": an error of C"]);
    check(&error("plain::endings::code", "42"), ErrorKind::Preparation, &["it returned exit code 42"]);
    check(&error("module::endings::code", "x"), ErrorKind::Inputs, &["module::endings::code, input 1", "u8"]);
    check(&error("plain::keeps", "x"), ErrorKind::UnknownEntry, &["the nearest is plain::keep"]);
    check(&error("plain::endings::exits", "4"), ErrorKind::ProcessGone, &["exit status: 4"]);
    let aborts = refused_process(&template, template.fork().call("module::endings::aborts", NO_ARGS));
    check(&aborts, ErrorKind::ProcessGone, &["signal: 6 (SIGABRT)"]);
}

#[test]
fn hooks_of_a_module_run_in_each_fork_before_its_first_order() {
    let top = loaded(Process::new());
    assert_eq!(says(top.fork(), "module::preparations::forks"), "1 true");
    assert_eq!(says(top.fork(), "module::preparations::forks"), "1 true");
    let below = top.fork().template().unwrap();
    assert_eq!(says(below.fork(), "module::preparations::forks"), "2 true");
    // They run for the entries of the program too, but not where the module is loaded after the fork.
    assert_eq!(says(Process::new().load(libraries::rust()), "module::preparations::forks"), "0 false");
}

#[test]
fn a_panicking_hook_is_the_error_of_that_fork() {
    let process = Process::new().load(libraries::rust()).call("module::preparations::arm", NO_ARGS);
    let template = process.template().unwrap();
    for _ in 0..2 {
        let error = template.fork().run("modules::works").unwrap_err();
        let words = ["after_fork of module: it panicked at src/preparations.rs:", ": the hook was told to"];
        check(&error, ErrorKind::Preparation, &[words[0].replace("fork of", "fork: of").as_str(), words[1]]);
    }
    assert!(anyfork_tests::wait_until(anyfork_tests::LONG, || anyfork_tests::children(template.pid()).is_empty()));
}

#[test]
fn a_hook_in_c_that_fails_is_the_error_of_that_fork() {
    let fails = small(&["-DHOOK=1", "-DMESSAGE=\"no more forks\""]);
    let template = Process::new().load(&*fails).template().unwrap();
    assert_eq!(says(template.fork(), "small::answer"), "1");
    let below = template.fork().template().unwrap();
    let error = below.fork().run("small::answer").unwrap_err();
    check(&error, ErrorKind::Preparation, &["after_fork", "small", "no more forks"]);
    let silent = small(&["-DHOOK=0", "-DMESSAGE=\"\""]);
    let template = Process::new().load(&*silent).template().unwrap();
    check(&template.fork().run("small::answer").unwrap_err(), ErrorKind::Preparation, &["it returned 9"]);
}

/// Private and proportional memory of a process, in kB, when its entry has read all of the table.
fn memory(worker: &Worker) -> (u64, u64) {
    BufReader::new(worker.socket()).read_line(&mut String::new()).unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", worker.pid())).unwrap();
    let sum = |names: &[&str]| -> u64 {
        let lines = maps.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
        lines.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum()
    };
    (sum(&["Private_Clean:", "Private_Dirty:"]), sum(&["Pss:"]))
}

fn is_shared(process: Process, fill: &str, add_up: &str, kilobytes: u64) {
    let template = process.call(fill, [kilobytes * 1024 / 8]).template().unwrap();
    let start = |_| template.fork().blocking_socket(true).run(add_up).unwrap();
    let workers: Vec<Worker> = (0..4).map(start).collect();
    let memory: Vec<_> = workers.iter().map(memory).collect();
    println!("private, share of each in kB: {memory:?}, of a table of {kilobytes}");
    assert!(memory.iter().all(|(private, _)| *private < kilobytes / 4), "{memory:?}");
    // The last one shares it with the template and three workers.
    assert!((kilobytes / 5..kilobytes / 2).contains(&memory[3].1), "{memory:?}");
}

#[test]
fn what_a_module_has_in_a_template_is_in_memory_once() {
    let rust = Process::new().load(libraries::rust());
    is_shared(rust, "module::preparations::fill", "module::preparations::add_up", 32 << 10);
    is_shared(Process::new().load(&*plain()), "plain::fill", "plain::add_up", 32 << 10);
}
