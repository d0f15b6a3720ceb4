//! Python's server where it meets what programs do to their interpreter. What all servers have in common is in `conformance/`.

#[path = "python/spares.rs"]
mod spares;

use anyfork::{Command, ErrorKind, NO_ARGS, Perl, Process, Python, Stdio, Template, Worker};
use anyfork_tests::{LONG, answer, children, descriptors, open_files, signal, wait_until};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

fn run(template: &Template<Python>, function: &str) -> Worker {
    template.fork().blocking_socket(true).run(function).unwrap()
}

/// A new directory below the one for temporary files, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anyfork-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Directory(path)
    }

    fn python(&self) -> Process<Python> {
        let mut command = Command::new("python3");
        command.current_dir(&self.0);
        Python::from_command(command)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn modules_of_the_current_directory_are_the_users_and_not_the_servers() {
    let directory = Directory::new("shadow");
    for name in ["socket", "select", "fcntl", "ctypes", "types", "traceback", "linecache", "difflib", "_signal"] {
        fs::write(directory.0.join(format!("{name}.py")), "raise SystemExit('not the one')").unwrap();
    }
    fs::write(directory.0.join("own.py"), "def hello(socket): socket.sendall(b'own')").unwrap();
    let template = directory.python().import("own").template().unwrap();
    assert_eq!(answer(&run(&template, "own.hello")), "own");
    let error = template.fork().eval("1 / 0", NO_ARGS).run("own.hello").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preparation);
    assert!(error.to_string().contains("ZeroDivisionError: division by zero"), "{error}");
    let error = template.fork().run("own.hell").unwrap_err();
    assert!(error.to_string().contains("the nearest is hello"), "{error}");
}

/// As gevent's monkey patches do.
#[test]
fn a_preparation_that_replaces_functions_of_modules_does_not_change_the_server() {
    const PATCH: &str = "
import os, select, time, socket
def other(*arguments): raise RuntimeError('a patch')
os.fork = os._exit = os.waitpid = os.waitid = os.kill = select.poll = time.sleep = other
def f(socket): pass";
    let template = Python::new("python3").eval(PATCH, NO_ARGS).template().unwrap();
    for _ in 0..3 {
        assert!(run(&template, "f").wait().unwrap().success());
    }
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
}

#[test]
fn what_a_worker_leaves_to_its_end_is_done_though_its_template_did_the_same() {
    const CODE: &str = "
import atexit, tempfile, weakref
class Thing: pass
thing = Thing()
weakref.finalize(thing, print, 'of the template')
def f(socket):
    global directory
    directory = tempfile.TemporaryDirectory()
    socket.sendall(directory.name.encode())";
    let template = Python::new("python3").eval(CODE, NO_ARGS).template().unwrap();
    let worker = run(&template, "f");
    let directory = PathBuf::from(answer(&worker));
    assert!(worker.wait().unwrap().success());
    assert!(!directory.as_os_str().is_empty() && !directory.exists(), "{}", directory.display());
}

#[test]
fn a_process_of_multiprocessing_in_the_template_outlives_its_workers() {
    const CODE: &str = "
import multiprocessing, time
helper = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,), daemon=True)
helper.start()
def f(socket): socket.sendall(str(helper.pid).encode())";
    let template = Python::new("python3").eval(CODE, NO_ARGS).template().unwrap();
    let worker = run(&template, "f");
    let helper: u32 = answer(&worker).parse().unwrap();
    assert!(worker.wait().unwrap().success());
    assert!(anyfork_tests::lives(helper));
    signal(helper, Signal::KILL);
}

#[test]
fn a_handler_of_the_preparation_holds_in_forks() {
    const CODE: &str = "
import signal
def handler(number, frame): pass
signal.signal(signal.SIGCHLD, handler)
def f(socket): socket.sendall(str(signal.getsignal(signal.SIGCHLD) is handler).encode())";
    let template = Python::new("python3").eval(CODE, NO_ARGS).template().unwrap();
    assert_eq!(answer(&run(&template, "f")), "True");
}

#[test]
fn errors_that_cannot_be_told_are_errors_all_the_same() {
    const CODE: &str = "
class Silent:
    def __str__(self): raise ValueError('no')
def f(socket): raise SystemExit(Silent())
def g(socket): raise SystemExit(Silent())";
    let template = Python::new("python3").eval(CODE, NO_ARGS).template().unwrap();
    assert_eq!(run(&template, "f").wait().unwrap().code(), Some(1));
    let error = template.fork().eval("raise SystemExit(Silent())", NO_ARGS).run("f").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preparation);
}

#[test]
fn a_fork_that_an_audit_hook_forbids_is_one_failed_request() {
    const CODE: &str = "
import sys
def hook(event, arguments):
    if event == 'os.fork' and allowed == []: raise PermissionError('not now') if wrong == [] else ValueError('not at all')
allowed, wrong = [], [1]
sys.addaudithook(hook)";
    let template = Python::new("python3").eval(CODE, NO_ARGS).template().unwrap();
    for _ in 0..2 {
        let error = template.fork().run("f").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Preparation, "{error}");
        assert!(error.to_string().contains("not at all"), "{error}");
    }
}

/// What is received then gets the number of standard input, and there is none above to move it to.
#[test]
fn a_template_without_standard_input_and_without_free_descriptors_fails_requests_and_lives() {
    const CODE: &str = "
import os
# So that none below the last is free.
kept = [os.dup(2) for _ in range(20)]
os.close(0)
def hello(socket): socket.sendall(b'hello')";
    let template = Python::new("python3").eval(CODE, NO_ARGS).template().unwrap();
    let limit = |current| {
        let limit = Rlimit { current, ..getrlimit(Resource::Nofile) };
        prlimit(Pid::from_raw(template.pid() as i32), Resource::Nofile, limit).unwrap();
    };
    let hello = || template.fork().blocking_socket(true).run("hello");
    // It closes what it was made with after it has said that it is there.
    hello().unwrap().wait().unwrap();
    let open = open_files(template.pid());
    assert!(!descriptors(template.pid()).contains_key(&0), "something of the server's took its place");
    for room in [1, 2, 3] {
        limit(Some(open.len() as u64 + room));
        if let Err(error) = hello() {
            assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::System, Some(libc::EMFILE)), "{error}");
        }
    }
    assert_eq!(open_files(template.pid()), open);
    limit(getrlimit(Resource::Nofile).current);
    assert_eq!(answer(&hello().unwrap()), "hello");
}

#[test]
fn what_does_not_go_together_with_serving_is_refused() {
    let kind = |change: fn(&mut Command)| {
        let mut command = Command::new("python3");
        change(&mut command);
        Python::from_command(command).template().unwrap_err().kind()
    };
    let null = || fs::File::open("/dev/null").unwrap();
    assert_eq!(kind(|command| _ = command.stdout(Stdio::piped())), ErrorKind::InvalidInput);
    assert_eq!(kind(|command| _ = command.parent_death_signal(15)), ErrorKind::InvalidInput);
    for number in [3, 4] {
        let mut command = Command::new("python3");
        command.fd_at(number, null());
        assert_eq!(Python::from_command(command).template().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let mut command = Command::new("perl");
    command.die_with_owner(true);
    assert_eq!(Perl::from_command(command).template().unwrap_err().kind(), ErrorKind::Unsupported);
    let long = "x".repeat(5000);
    assert_eq!(Python::new("python3").import(&long).template().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn deadline_and_end_are_those_of_the_command() {
    let mut command = Command::new("python3");
    command.deadline(Duration::from_millis(300)).kill_on_drop(true);
    let error = Python::from_command(command).eval("import time; time.sleep(60)", NO_ARGS).template().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    let error = Python::new("python-that-is-not-there").template().unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::System, Some(2)));
}
