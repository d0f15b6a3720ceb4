//! Errors: what they say, and that the process is gone.

use anyfork::{Error, ErrorKind, NO_ARGS, Process};
use anyfork_tests::{children, wait_until};
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[anyfork::entry]
fn serve(_socket: UnixStream, _listener: TcpListener, _id: u32) {}

#[anyfork::entry]
fn refuses(path: String) -> Result<(), String> {
    Err(format!("cannot load {path}"))
}

#[anyfork::entry]
fn panics() {
    unreachable!("its name is taken twice");
}

#[anyfork::entry]
fn panics_alone() {
    panic!("at the disco");
}

#[anyfork::entry]
fn wants_a_socket(_socket: UnixStream) {}

#[anyfork::entry]
fn dies() {
    std::process::abort();
}

fn fails(process: Process) -> Error {
    process.run(serve).unwrap_err()
}

fn check(error: &Error, kind: ErrorKind, text: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

#[test]
fn an_unknown_entry_names_the_nearest() {
    let error = Process::new().run("errors::serv").unwrap_err();
    let text = "entry errors::serv: no entry of this name is registered in the program; the nearest is errors::serve";
    assert_eq!(error.to_string(), text);
    assert_eq!(error.kind(), ErrorKind::UnknownEntry);
    check(&Process::new().run("elsewhere::serve").unwrap_err(), ErrorKind::UnknownEntry, "nearest is errors::serve");
    let error = Process::new().run("").unwrap_err();
    check(&error, ErrorKind::UnknownEntry, "no entry of this name");
    check(&Process::new().run("x\0y\n").unwrap_err(), ErrorKind::UnknownEntry, "x\0y\n");
    check(&Process::new().run("n".repeat(5000)).unwrap_err(), ErrorKind::InvalidInput, "at most 4096");
}

/// What two versions of one crate in one program would do.
#[anyfork::__private::linkme::distributed_slice(anyfork::__private::ENTRIES)]
#[linkme(crate = anyfork::__private::linkme)]
static SECOND: anyfork::__private::Registration =
    anyfork::__private::Registration { name: "errors::panics", bind: |_| Ok(Box::new(|| unreachable!())) };

#[test]
fn a_name_that_two_entries_have_is_refused() {
    let error = Process::new().run(panics).unwrap_err();
    check(&error, ErrorKind::AmbiguousEntry, "entry errors::panics: two entries are registered under this name");
}

struct First;
struct Second;

impl First {
    #[anyfork::entry]
    fn of_both_types() {}
}

impl Second {
    #[anyfork::entry]
    fn of_both_types() {}
}

fn first() -> &'static str {
    #[anyfork::entry]
    fn of_both_functions() {}
    of_both_functions().name()
}

fn second() -> &'static str {
    #[anyfork::entry]
    fn of_both_functions() {}
    of_both_functions().name()
}

#[test]
fn entries_of_one_name_in_types_or_functions_of_a_module_are_told_whose_path_they_have() {
    let error = Process::new().run(First::of_both_types).unwrap_err();
    let why = "two entries are registered under this name \
        (entries in functions and impl blocks have the path of their module)";
    check(&error, ErrorKind::AmbiguousEntry, &format!("entry errors::of_both_types: {why}"));
    assert_eq!(Second::of_both_types().name(), First::of_both_types().name());
    for name in [first(), second()] {
        let error = Process::new().run(name).unwrap_err();
        check(&error, ErrorKind::AmbiguousEntry, &format!("entry errors::of_both_functions: {why}"));
    }
}

#[test]
fn inputs_that_do_not_fit_name_entry_position_and_what_came() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cases = [
        (Process::new(), "errors::serve, input 1: expected a TCP listener, got nothing: no inputs were sent"),
        (Process::new().arg("x"), "errors::serve, input 1: expected a TCP listener, got the argument \"x\""),
        (
            Process::new().fd(File::open("/").unwrap()),
            "errors::serve, input 1: expected a TCP listener, got a descriptor of a directory",
        ),
        (
            Process::new().fd(&listener),
            "errors::serve, input 2: expected an argument that is a u32, got nothing: only 1 input was sent",
        ),
        (
            Process::new().fd(&listener).arg("-1"),
            "errors::serve, input 2: expected an argument that is a u32, got the argument \"-1\"",
        ),
        (
            Process::new().fd(&listener).fd(&listener),
            "errors::serve, input 2: expected an argument that is a u32, got a descriptor of a TCP listener",
        ),
        (
            Process::new().fd(&listener).arg(1).arg("more"),
            "errors::serve, input 3: expected 2 inputs, got the argument \"more\" of 3 in all",
        ),
    ];
    for (process, text) in cases {
        let error = fails(process);
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Inputs, text));
    }
}

#[test]
fn a_failed_preparation_comes_back_and_its_process_is_gone() {
    let template = Process::new().template().unwrap();
    let error = template.fork().call(refuses, ["tables.bin"]).template().unwrap_err();
    assert_eq!(error.to_string(), "call errors::refuses: cannot load tables.bin");
    assert_eq!(error.kind(), ErrorKind::Preparation);

    let error = template.fork().call(panics_alone, NO_ARGS).run(dies).unwrap_err();
    check(&error, ErrorKind::Preparation, "call errors::panics_alone: it panicked at tests/errors.rs:");
    check(&error, ErrorKind::Preparation, ": at the disco");

    let error = template.fork().call(wants_a_socket, ["x"]).template().unwrap_err();
    check(&error, ErrorKind::Inputs, "errors::wants_a_socket, input 1: expected a Unix stream socket");

    let error = template.fork().call("errors::nowhere", ["x"]).template().unwrap_err();
    check(&error, ErrorKind::UnknownEntry, "errors::nowhere");

    let error = template.fork().call(dies, NO_ARGS).template().unwrap_err();
    check(&error, ErrorKind::ProcessGone, "the process ended before it was ready");

    assert!(wait_until(Duration::from_secs(5), || children(template.pid()).is_empty()), "a process stayed");
    assert!(template.fork().run(dies).is_ok(), "the template goes on");
}

#[test]
fn the_first_of_several_errors_is_told() {
    let error = Process::new().name("a\0b").call(refuses, ["x"]).run("errors::nowhere").unwrap_err();
    check(&error, ErrorKind::InvalidInput, "name");
    let error = Process::new().call(refuses, ["first"]).call(refuses, ["second"]).run(dies).unwrap_err();
    check(&error, ErrorKind::Preparation, "first");
}

#[test]
fn errors_convert_into_those_of_std() {
    let kind = |error: Error| std::io::Error::from(error).kind();
    assert_eq!(kind(Process::new().run("nowhere").unwrap_err()), std::io::ErrorKind::NotFound);
    assert_eq!(kind(fails(Process::new())), std::io::ErrorKind::InvalidInput);
    let io = std::io::Error::from(fails(Process::new()));
    assert!(io.to_string().contains("errors::serve, input 1"), "{io}");
}
