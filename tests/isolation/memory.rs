//! What one process was given is not in the memory of others, unless it is in that of their template.

use crate::{found, secret};
use anyfork::{Blob, NO_ARGS, Process, Python, Stdio, Template, Worker};
use anyfork_tests::{LONG, children, title, wait_until};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

/// Has its arguments in memory, until its socket is closed.
#[anyfork::entry]
fn hold(mut socket: UnixStream, arguments: Vec<Blob>) {
    let copies: Vec<Vec<u8>> = arguments.iter().map(|argument| argument.to_vec()).collect();
    let _ = socket.write_all(b"!");
    let _ = socket.read(&mut [0]);
    std::hint::black_box(copies);
}

static KEPT: OnceLock<Vec<u8>> = OnceLock::new();

#[anyfork::entry]
fn keep(argument: Blob) {
    KEPT.get_or_init(|| argument.to_vec());
}

#[anyfork::entry]
fn look_at(_argument: Blob) {}

/// It holds what it was given.
fn holding(process: Process) -> Worker {
    let worker = process.blocking_socket(true).kill_on_drop(true).run(hold).unwrap();
    worker.socket().read_exact(&mut [0]).unwrap();
    worker
}

fn default_template() -> u32 {
    children(std::process::id())[0]
}

fn spares_of(template: &Template) -> Vec<u32> {
    children(template.pid()).into_iter().filter(|pid| title(*pid).starts_with("anyfork: spare")).collect()
}

/// How a process comes to a secret.
type Given<S = anyfork::Native> = fn(Process<S>, &str) -> Process<S>;

/// An argument that travels as a file in memory.
fn large(secret: &str) -> String {
    format!("{}{secret}{}", "x".repeat(100_000), "y".repeat(100_000))
}

const WAYS: [(&str, Given); 7] = [
    ("an argument", |process, secret| process.arg(secret)),
    ("a large argument", |process, secret| process.arg(large(secret))),
    ("among many arguments, which travel in a file", |process, secret| {
        process.args((0..200).map(|number| format!("{number:1000}"))).arg(secret)
    }),
    ("an argument of a call that keeps it", |process, secret| process.call(keep, [secret])),
    ("an argument of a call", |process, secret| process.call(look_at, [secret]).arg(secret)),
    ("a large argument of a call", |process, secret| process.call(look_at, [large(secret)]).arg(secret)),
    ("its name", |process, secret| process.name(secret)),
];

/// One sibling has the secret; neither their template nor the others have.
fn is_in_none_but_one(template: Option<&Template>, is_spare: bool) {
    let fork = || template.map_or_else(Process::new, Template::fork);
    for (way, give) in WAYS {
        let before = holding(fork());
        if let Some(template) = template.filter(|_| is_spare) {
            assert!(wait_until(LONG, || !spares_of(template).is_empty()));
        }
        let secret = secret();
        let other = holding(give(fork(), &secret));
        assert_ne!(found(other.pid(), secret.as_bytes()), 0, "the control: {way}");
        let after = holding(fork());
        let mut all = vec![("an older sibling", before.pid()), ("a younger sibling", after.pid())];
        all.push(("the default template", default_template()));
        all.extend(template.map(|template| ("the template", template.pid())));
        all.extend(template.into_iter().flat_map(spares_of).map(|pid| ("a spare", pid)));
        for (who, pid) in all {
            assert_eq!(found(pid, secret.as_bytes()), 0, "{who}, of {way}");
        }
    }
}

#[test]
fn what_a_fork_of_the_default_template_was_given_is_in_no_other() {
    is_in_none_but_one(None, false);
}

#[test]
fn what_a_fork_of_a_template_was_given_is_in_no_other() {
    is_in_none_but_one(Some(&Process::new().arg("for all").template().unwrap()), false);
}

#[test]
fn what_a_spare_was_given_is_in_no_other() {
    let template = Process::new().template().unwrap();
    template.spares(2..=4).unwrap();
    is_in_none_but_one(Some(&template), true);
}

#[test]
fn what_a_template_has_is_in_all_its_forks_and_in_no_others() {
    let (kept, queued) = (secret(), secret());
    let template = Process::new().call(keep, [&kept]).arg(&queued).template().unwrap();
    let forks = [holding(template.fork()), holding(template.fork())];
    let others = [holding(Process::new()), holding(Process::exec())];
    for secret in [&kept, &queued].map(String::as_bytes) {
        assert!(forks.iter().all(|fork| found(fork.pid(), secret) > 0));
        assert!(others.iter().all(|other| found(other.pid(), secret) == 0));
        assert_eq!(found(default_template(), secret), 0);
    }
}

/// Python's memory is Python's: the server leaves nothing in the template.
fn python_worker(process: Process<Python>) -> Worker {
    let worker = process.blocking_socket(true).kill_on_drop(true).run("hold").unwrap();
    worker.socket().read_exact(&mut [0]).unwrap();
    worker
}

#[test]
fn what_a_fork_of_a_python_template_was_given_is_in_no_other() {
    let code = "def hold(socket, *held): socket.sendall(b'!'); socket.recv(1)";
    let template = Python::new("python3").eval(code, NO_ARGS).template().unwrap();
    let ways: [(&str, Given<Python>); 4] = [
        ("an argument", |process, secret| process.arg(secret)),
        ("a large argument", |process, secret| process.arg(large(secret))),
        ("code", |process, secret| process.eval(format!("kept = '{secret}'"), NO_ARGS)),
        ("an argument of code", |process, secret| process.eval("kept = args", [secret])),
    ];
    for (way, give) in ways {
        let secret = secret();
        let other = python_worker(give(template.fork(), &secret));
        assert_ne!(found(other.pid(), secret.as_bytes()), 0, "the control: {way}");
        let after = python_worker(template.fork());
        for pid in [after.pid(), template.pid(), default_template()] {
            assert_eq!(found(pid, secret.as_bytes()), 0, "{way}");
        }
    }
}

#[test]
fn what_an_external_program_was_given_is_in_no_worker() {
    let before = holding(Process::new());
    for padding in [0, 10_000, 100_000] {
        let (secret, padding) = (secret(), "x".repeat(padding));
        let mut command = anyfork::Command::new("sh");
        command.args(["-c", "echo runs; read line", &padding, &secret]).env("SECRET", &secret);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        assert_ne!(found(child.id(), secret.as_bytes()), 0, "the control");
        let while_it_runs = holding(Process::new());
        child.kill().unwrap();
        child.wait().unwrap();
        let after = holding(Process::new());
        for pid in [before.pid(), while_it_runs.pid(), after.pid(), default_template()] {
            assert_eq!(found(pid, secret.as_bytes()), 0, "{} octets more", padding.len());
        }
    }
}
