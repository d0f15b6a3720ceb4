//! Entries of modules run as those of the program: inputs, socket, descriptors, ends.

use crate::libraries::{self, plain};
use crate::{check, says};
use anyfork::{ErrorKind, Process, Template};
use anyfork_tests::{answer, descriptors, host, identity, open_files};
use std::fs::File;
use std::io::{self, Read};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

/// As the modules have it: FNV-1a.
fn described(octets: &[u8]) -> String {
    let hash = |sum: u64, octet: &u8| (sum ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3);
    format!("{}:{:x} ", octets.len(), octets.iter().fold(0xcbf2_9ce4_8422_2325, hash))
}

/// Octets that do not repeat in step with any buffer.
fn octets(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn inputs_arrive_in_order(library: &str, entry: &str) {
    let template = Process::new().load(library).template().unwrap();
    let described_by = |process: Process| answer(&process.blocking_socket(true).run(entry).unwrap());
    assert_eq!(described_by(template.fork()), "");

    let odd: [&[u8]; 7] = [b"", b"\0", b"a\0b", b"\n", b"\xff\xfe", b"a=b", b"\0\0"];
    assert_eq!(described_by(template.fork().args(odd)), odd.map(described).concat());

    for length in [65_535, 65_536, 65_537, 1 << 20, 3_000_000] {
        let data = octets(length);
        let process = template.fork().arg("first").arg(&data).arg("").arg(&data);
        let expected = described(b"first") + &described(&data) + &described(b"") + &described(&data);
        assert_eq!(described_by(process), expected, "{length}");
    }

    let null = File::open("/dev/null").unwrap();
    let source = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/modules/small.c")).unwrap();
    let length = source.metadata().unwrap().len();
    let mut process = template.fork();
    let mut expected = String::new();
    for n in 0..400 {
        let data = octets(n * 3);
        process = process.arg(&data).fd(if n % 3 == 0 { &source } else { &null });
        expected += &format!("{}fd:{} ", described(&data), if n % 3 == 0 { length } else { 0 });
    }
    assert_eq!(described_by(process), expected);

    let inherited = template.fork().arg("queued").fd(&null).arg(octets(100_000)).template().unwrap();
    let expected = described(b"queued") + "fd:0 " + &described(&octets(100_000)) + &described(b"own");
    for _ in 0..3 {
        assert_eq!(described_by(inherited.fork().arg("own")), expected);
    }
}

#[test]
fn inputs_of_an_entry_in_rust_arrive_in_order() {
    inputs_arrive_in_order(libraries::rust(), "module::inputs::describe");
}

#[test]
fn inputs_of_an_entry_in_c_arrive_in_order() {
    inputs_arrive_in_order(&plain(), "plain::describe");
}

fn ends_truly(library: &str, prefix: &str) -> (String, String) {
    let mut host = host!("modules", "ends", library, prefix);
    assert_eq!(host.fact("code"), "0 42 255 -1");
    assert_eq!(host.fact("exits"), "9 -1");
    assert_eq!(host.fact("aborts"), "-1 6");
    let error = host.fact("error");
    let panics = host.fact("panics");
    assert_eq!(host.fact("killed"), "-1 9");
    host.finish();
    assert_eq!(host.output().matches("[exits]").count(), 1, "{}", host.output());
    let errors = host.errors();
    assert!(errors.contains(&format!("{prefix}error: an error on purpose\n")), "{errors}");
    assert_eq!(panics == "101 -1", errors.contains("a panic on purpose"), "{errors}");
    (error, panics)
}

#[test]
fn entries_in_rust_end_truly() {
    let (error, panics) = ends_truly(libraries::rust(), "module::endings::");
    assert_eq!((error.as_str(), panics.as_str()), ("1 -1", "101 -1"));
}

#[test]
fn entries_in_c_end_truly() {
    let (error, panics) = ends_truly(&plain(), "plain::endings::");
    assert_eq!((error.as_str(), panics.as_str()), ("3 -1", "none"));
}

#[test]
fn what_an_entry_has_half_written_comes_out_once() {
    let plain = plain();
    let mut host = host!("modules", "half-written", libraries::rust(), &plain);
    host.finish();
    let count = |text| host.output().matches(text).count();
    let counts = [count("[half-rust]"), count("[half-c]"), count("[says-rust]"), count("[says-c]")];
    assert_eq!(counts, [1, 1, 5, 5], "{}", host.output());
}

#[test]
fn what_a_hook_has_half_written_comes_out_once() {
    let mut host = host!("modules", "half-written-by-hooks", libraries::rust());
    host.finish();
    // Of the template, of three workers that run an entry of the module, and of three that run one of the program.
    assert_eq!(host.output().matches("[hook]").count(), 1 + 3 + 3, "{}", host.output());
}

#[test]
fn inputs_that_do_not_fit_are_refused_before_the_start() {
    let template = Process::new().load(libraries::rust()).template().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let cases = [
        (template.fork(), "input 1: expected a TCP listener, got nothing: no inputs were sent"),
        (template.fork().arg("x"), "input 1: expected a TCP listener, got the argument \"x\""),
        (
            template.fork().fd(&listener).arg("-1"),
            "input 2: expected an argument that is a u32, got the argument \"-1\"",
        ),
        (template.fork().fd(&listener).arg(1), "input 3: expected an argument, got nothing: only 2 inputs were sent"),
        (
            template.fork().fd(&listener).arg(1).arg("").fd(&listener),
            "input 4: expected 3 inputs, got a descriptor of a TCP listener of 4 in all",
        ),
    ];
    for (process, text) in cases {
        let error = process.run("module::inputs::serve").unwrap_err();
        let expected = format!("module::inputs::serve, {text}");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Inputs, expected));
    }
    let process = template.fork().fd(&listener).arg(7).arg(octets(100_000));
    assert_eq!(says(process, "module::inputs::serve"), format!("7 100000 {port}"));
}

#[test]
fn a_check_in_c_refuses_keeps_and_has_its_context() {
    let template = Process::new().load(&*plain()).template().unwrap();
    let null = File::open("/dev/null").unwrap();
    let cases = [
        (template.fork(), "plain::serve, input 1: expected a descriptor"),
        (template.fork().arg(1), "plain::serve, input 1: expected a descriptor"),
        (template.fork().fd(&null), "plain::serve, input 2: expected an argument"),
        (template.fork().fd(&null).fd(&null), "plain::serve, input 2: expected an argument"),
    ];
    for (process, text) in cases {
        let error = process.run("plain::serve").unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Inputs, text));
    }
    let error = template.fork().run("plain::refuse").unwrap_err();
    assert_eq!(error.to_string(), "plain::refuse, the inputs were refused");
    let error = template.fork().call("plain::serve", ["x"]).template().unwrap_err();
    check(&error, ErrorKind::Inputs, &["plain::serve, input 1: expected a descriptor"]);
    assert_eq!(says(template.fork().fd(&null).arg("kept"), "plain::serve"), "kept by its context");
}

/// What a module writes to the end of the room for a message is cut, and nothing is read behind it.
#[test]
fn a_message_without_an_end_is_as_long_as_its_room() {
    let template = Process::new().load(&*libraries::small(&[])).template().unwrap();
    let error = template.fork().run("small::never").unwrap_err();
    check(&error, ErrorKind::Inputs, &["small::never, xxxx"]);
    assert!((1000..1100).contains(&error.to_string().len()), "{}", error.to_string().len());
}

#[test]
fn an_unknown_entry_names_the_nearest_of_a_module() {
    let template = Process::new().load(libraries::rust()).load(&*plain()).template().unwrap();
    let nearest = |entry: &str| template.fork().run(entry).unwrap_err();
    for (wrong, right) in [
        ("module::inputs::descrive", "module::inputs::describe"),
        ("plain::descibe", "plain::describe"),
        ("plain::parc", "plain::park"),
        ("modules::work", "modules::works"),
    ] {
        check(&nearest(wrong), ErrorKind::UnknownEntry, &[wrong, &format!("the nearest is {right}")]);
    }
    let without = Process::new().run("module::inputs::describe").unwrap_err();
    check(&without, ErrorKind::UnknownEntry, &["no entry of this name"]);
}

/// The open files are standard input, output and error, one socket, and these.
fn has_exactly(worker: &anyfork::Worker, sent: &[String]) {
    let mut left = open_files(worker.pid());
    let standard: Vec<String> = descriptors(std::process::id()).into_values().take(3).collect();
    for expected in standard.iter().chain(sent) {
        let at = left.iter().position(|file| file == expected);
        left.remove(at.unwrap_or_else(|| panic!("{expected} is missing in {:?}", descriptors(worker.pid()))));
    }
    let is_socket = |file: &String| file.starts_with(&format!("{:o}:", libc::S_IFSOCK >> 12));
    assert!(left.len() == 1 && left.iter().all(is_socket), "more than its socket: {:?}", descriptors(worker.pid()));
}

fn parked(template: &Template, entry: &str) -> anyfork::Worker {
    let file = File::open("/proc/self/exe").unwrap();
    let (read, _write) = io::pipe().unwrap();
    let worker = template.fork().fd(&file).arg("x").fd(&read).blocking_socket(true).run(entry).unwrap();
    worker.socket().read_exact(&mut [0]).unwrap();
    has_exactly(&worker, &[identity(&file), identity(&read)]);
    worker
}

#[test]
fn workers_have_no_descriptor_of_the_load() {
    let plain = plain();
    let nested = Process::new().load(libraries::rust()).template().unwrap();
    let template = nested.fork().load(&*plain).template().unwrap();
    let exec = Process::exec().load(libraries::rust()).load(&*plain).template().unwrap();
    // The standard streams, which may be files.
    let usual = open_files(Process::new().template().unwrap().pid());
    for template in [&template, &exec] {
        for entry in ["module::inputs::park", "plain::park"] {
            let worker = parked(template, entry);
            drop(worker.into_socket());
        }
        let mut own = open_files(template.pid());
        own.retain(|file| !usual.contains(file));
        assert!(own.iter().all(|file| !file.starts_with(&format!("{:o}:", libc::S_IFREG >> 12))), "{own:?}");
    }
}

#[test]
fn an_async_entry_of_a_module_has_a_runtime_of_its_own() {
    let template = Process::new().load(libraries::rust()).template().unwrap();
    assert_eq!(says(template.fork().arg("hello"), "module::inputs::shout"), "HELLO");
}

#[test]
fn entries_of_other_crates_are_under_the_name_of_the_module() {
    let template = Process::new().load(libraries::rust()).template().unwrap();
    assert_eq!(says(template.fork(), "module::palette::colour"), "blue");
    let error = template.fork().run("palette::colour").unwrap_err();
    check(&error, ErrorKind::UnknownEntry, &["the nearest is module::palette::colour"]);
}

#[test]
fn an_entry_of_a_module_can_fork_its_own_process_and_not_start_the_program() {
    let template = Process::new().load(libraries::rust()).template().unwrap();
    assert_eq!(says(template.fork(), "module::processes::forks_itself"), "from below: exit status: 0");
    let error = template.fork().call("module::processes::starts_itself", anyfork::NO_ARGS).template().unwrap_err();
    check(&error, ErrorKind::Preparation, &["Unsupported", "anyfork::template_here()"]);
}

/// A function of the same name in two libraries is one function where they are loaded with RTLD_GLOBAL.
#[test]
fn modules_do_not_see_the_symbols_of_each_other() {
    let visible = ["-fvisibility=default", "-DNAME=\"second\"", "-DANSWER=\"second\""];
    let (first, second) = (libraries::c("plain.c", &visible[..1]), libraries::small(&visible));
    let template = Process::new().load(&*first).load(&*second).template().unwrap();
    assert_eq!(says(template.fork(), "plain::who"), "plain");
    assert_eq!(says(template.fork(), "second::answer"), "second");
}

#[test]
fn a_worker_s_socket_is_closed_at_its_end_though_no_parameter_took_it() {
    let template = Process::new().load(libraries::rust()).load(&*plain()).template().unwrap();
    for entry in ["module::endings::says", "plain::endings::says"] {
        let worker = template.fork().arg("").blocking_socket(true).run(entry).unwrap();
        assert_eq!(answer(&worker), "");
        assert!(worker.wait().unwrap().success());
    }
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let worker = template.fork().arg("x").fd(&theirs).blocking_socket(true).run("plain::endings::says").unwrap();
    assert!(worker.wait().unwrap().success());
}
