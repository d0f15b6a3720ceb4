//! Forks in advance, where they meet what programs do to their interpreter.

use crate::run;
use anyfork::{Command, NO_ARGS, Python, Template};
use anyfork_tests::{LONG, Scratch, all_end_soon, answer, children, descriptors, lives, signal, wait_until};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::time::Duration;

/// A template with so many that wait, and who they are.
fn template_with(count: usize, code: &str) -> (Template<Python>, Vec<u32>) {
    let template = Python::new("python3").eval(code, NO_ARGS).template().unwrap();
    let waiting = wait_for(&template, count);
    (template, waiting)
}

fn wait_for(template: &Template<Python>, count: usize) -> Vec<u32> {
    template.spares(0..=count).unwrap();
    assert!(wait_until(LONG, || template.spares_waiting() == count), "{} wait", template.spares_waiting());
    children(template.pid())
}

/// As in any fork: `random` by itself, others by what the program has registered.
#[test]
fn each_spare_has_random_numbers_of_its_own() {
    const CODE: &str = "
import os, random
random.seed(1)
other = random.Random(1)
os.register_at_fork(after_in_child=other.seed)
def f(socket): socket.sendall(f'{random.random()} {other.random()} {os.getpid()}'.encode())";
    let (template, waiting) = template_with(4, CODE);
    let answers: Vec<String> = (0..4).map(|_| answer(&run(&template, "f"))).collect();
    for column in 0..2 {
        let numbers: BTreeSet<&str> = answers.iter().map(|answer| answer.split(' ').nth(column).unwrap()).collect();
        assert_eq!(numbers.len(), 4, "{answers:?}");
    }
    assert!(answers.iter().all(|answer| waiting.contains(&answer.split(' ').nth(2).unwrap().parse().unwrap())));
}

#[test]
fn what_is_half_written_comes_out_once() {
    const CODE: &str = "
print('[template]', end='')
def f(socket, text): print(text.decode(), end='')";
    let output = Scratch::new("output");
    let mut command = Command::new("python3");
    command.env_remove("PYTHONUNBUFFERED").stdout(File::create(&*output).unwrap());
    let template = Python::from_command(command).eval(CODE, NO_ARGS).template().unwrap();
    let waiting = wait_for(&template, 3);
    for text in ["[a]", "[b]", "[c]"] {
        let worker = template.fork().arg(text).run("f").unwrap();
        assert!(waiting.contains(&worker.pid()));
        assert!(worker.wait().unwrap().success());
    }
    drop(template);
    all_end_soon(&waiting);
    assert_eq!(fs::read_to_string(&*output).unwrap(), "[template][a][b][c]");
}

#[test]
fn a_default_timeout_of_the_program_is_none_of_a_spare() {
    const CODE: &str = "
import os, socket
socket.setdefaulttimeout(0.01)
def f(socket): socket.sendall(f'{socket.gettimeout()} {os.get_blocking(socket.fileno())}'.encode())";
    let (template, waiting) = template_with(1, CODE);
    std::thread::sleep(Duration::from_millis(100));
    let worker = run(&template, "f");
    assert!(waiting.contains(&worker.pid()), "it did not wait");
    assert_eq!(answer(&worker), "None True");
}

/// As gevent's monkey patches do.
#[test]
fn a_preparation_that_replaces_functions_of_modules_does_not_change_them() {
    const CODE: &str = "
import os, select, socket, time
def other(*arguments, **more): raise RuntimeError('a patch')
os.fork = select.poll = time.sleep = time.monotonic = socket.socketpair = other
def f(socket): socket.sendall(b'well')";
    let (template, waiting) = template_with(2, CODE);
    let worker = run(&template, "f");
    assert_eq!(answer(&worker), "well");
    assert!(waiting.contains(&worker.pid()));
}

#[test]
fn a_socket_is_not_taken_for_a_standard_stream_that_was_closed() {
    const CODE: &str = "
import os
for number in range(3): os.close(number)
def hook():
    try: os.write(2, b'a message of a library')
    except OSError: pass
os.register_at_fork(after_in_child=hook)
def f(socket): socket.sendall(b'well')";
    let (template, waiting) = template_with(2, CODE);
    for _ in 0..2 {
        let worker = run(&template, "f");
        assert!(waiting.contains(&worker.pid()));
        assert_eq!(answer(&worker), "well");
    }
}

#[test]
fn forks_that_an_audit_hook_forbids_are_no_spares() {
    const CODE: &str = "
import os, sys
def hook(event, arguments):
    if event == 'os.fork' and not os.path.exists(allowed): raise ValueError('not now')
allowed = args[0]
sys.addaudithook(hook)
def f(socket): socket.sendall(b'well')";
    let allowed = Scratch::new("allowed");
    let template = Python::new("python3").eval(CODE, [&*allowed]).template().unwrap();
    assert!(template.fork().run("f").unwrap_err().to_string().contains("not now"));
    // It closes that socket behind its answer.
    std::thread::sleep(Duration::from_millis(50));
    let before = descriptors(template.pid());
    template.spares(1..=2).unwrap();
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!((template.spares_waiting(), children(template.pid()).len()), (0, 0));
    assert_eq!(descriptors(template.pid()), before);
    fs::write(&*allowed, "").unwrap();
    assert!(wait_until(LONG, || answer(&run(&template, "f")) == "well" && template.spares_waiting() > 0));
}

/// Nothing but the socket tells them then, which is that of the program.
#[test]
fn without_ctypes_spares_work_and_end_with_their_template() {
    const CODE: &str = "
def f(socket): socket.sendall(b'well')
def stay(socket): socket.recv(1)";
    let directory = std::env::temp_dir().join(format!("anyfork-no-ctypes-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("ctypes.py"), "raise ImportError('there is none')").unwrap();
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", &directory);
    let template = Python::from_command(command).eval(CODE, NO_ARGS).template().unwrap();
    fs::remove_dir_all(&directory).unwrap();
    let mut waiting = wait_for(&template, 3);
    assert_eq!(answer(&run(&template, "f")), "well");
    let free = run(&template, "stay");
    waiting.retain(|pid| *pid != free.pid());
    assert_eq!(waiting.len(), 2);
    drop(template);
    all_end_soon(&waiting);
    assert!(lives(free.pid()));
}

#[test]
fn a_signal_of_the_terminal_ends_those_that_wait_and_no_other() {
    let (template, waiting) = template_with(2, "def f(socket): socket.sendall(b'well')");
    waiting.iter().for_each(|pid| signal(*pid, Signal::INT));
    all_end_soon(&waiting);
    signal(template.pid(), Signal::INT);
    assert_eq!(answer(&run(&template, "f")), "well");
}
