//! Workers: what they are given, what they return, how they end.

use anyfork::{Process, Template};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[anyfork::entry]
fn echo(mut socket: UnixStream, rest: Vec<String>) -> std::io::Result<()> {
    use std::io::Write;
    socket.write_all(rest.join(",").as_bytes())
}

#[anyfork::entry]
fn exit_with(code: u8) -> std::process::ExitCode {
    code.into()
}

#[anyfork::entry]
fn sleep_long() {
    std::thread::sleep(Duration::from_secs(100));
}

fn template() -> Template {
    Process::new().arg("a").template().unwrap()
}

#[test]
fn arguments_arrive_in_order() {
    let template = template();
    let worker = template.fork().arg("b").arg(3).blocking_socket(true).run(echo).unwrap();
    let mut answer = String::new();
    worker.socket().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "a,b,3");
    assert!(worker.wait().unwrap().success());
}

#[test]
fn exit_codes_are_true() {
    let worker = Process::new().arg(42).run(exit_with).unwrap();
    assert_eq!(worker.wait().unwrap().code(), Some(42));
    assert!(worker.wait().unwrap().usage().unwrap().peak_memory > 0);
}

#[test]
fn a_killed_worker_says_so() {
    let worker = Process::new().run(sleep_long).unwrap();
    assert_eq!(worker.try_wait().unwrap(), None);
    assert_eq!(worker.wait_timeout(Duration::from_millis(30)).unwrap(), None);
    worker.kill().unwrap();
    assert_eq!(worker.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_fresh_exec_runs_an_entry() {
    let worker = Process::exec().args(["x", "y"]).blocking_socket(true).run(echo).unwrap();
    let mut answer = String::new();
    worker.socket().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "x,y");
    assert!(worker.wait().unwrap().success());
}

#[test]
fn handles_show_who_they_are_and_nothing_of_their_inside() {
    let template = Process::new().template().unwrap();
    let worker = template.fork().arg(0).run(exit_with).unwrap();
    let child = template.command("true").spawn().unwrap();
    let socket = format!("{:?}", worker.socket());
    assert_eq!(format!("{template:?}"), format!("Template {{ pid: {}, .. }}", template.pid()));
    assert_eq!(format!("{worker:?}"), format!("Worker {{ pid: {}, socket: {socket}, .. }}", worker.pid()));
    let streams = "stdin: None, stdout: None, stderr: None, pty: None";
    assert_eq!(format!("{child:?}"), format!("Child {{ pid: {}, {streams}, .. }}", child.id()));
}
