//! What a Python template says and is told, each kind of message once, for tests that let those fail. What each step came to is told.

use crate::{Outcome, say};
use anyfork::{Process, Python, Result, Worker};
use anyfork_tests::{LONG, within};
use std::fmt::Display;
use std::io::Read;
use std::time::Duration;

/// Forks are refused while there is a file of that name: an audit hook sees to it. Functions use no system call on their socket that the server uses.
const CODE: &str = "
import os, sys
path = args[0].decode()
def hook(event, arguments):
    if event == 'os.fork' and os.path.exists(path): raise OSError(11, 'not now')
sys.addaudithook(hook)
def seven(socket):
    os.write(socket.fileno(), b'seven')
    return 7";

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let [path] = arguments else { return Err("which file?".into()) };
    anyfork_tests::interception::begin()?;
    let template = Python::new("python3").eval(CODE, [path]).deadline(LONG).template()?;
    worker(template.fork(), "worker");
    tell("unknown", template.fork().deadline(LONG).run("eight").map(|_| ""));
    std::fs::write(path, "")?;
    tell("refused", template.fork().deadline(LONG).run("seven").map(|_| ""));
    std::fs::remove_file(path)?;
    template.spares(0..=2)?;
    within(LONG, "spares", || (template.spares_waiting() == 2).then_some(()));
    worker(template.fork(), "spare");
    Ok(())
}

fn worker(process: Process<Python>, step: &str) {
    tell(step, process.blocking_socket(true).deadline(LONG).run("seven").and_then(ended));
}

/// What it has written, and its status.
fn ended(worker: Worker) -> Result<String> {
    let mut text = String::new();
    let mut socket = worker.socket();
    let _ = socket.set_read_timeout(Some(LONG));
    let _ = socket.read_to_string(&mut text);
    let status = worker.wait_timeout(Duration::from_secs(5))?;
    Ok(format!("{text}, {}", status.map_or("none".into(), |status| status.to_string())))
}

fn tell(step: &str, result: Result<impl Display>) {
    match result {
        Ok(value) => say(step, value),
        Err(error) => say(step, format!("error {:?} {}", error.kind(), error.raw_os_error().unwrap_or(0))),
    }
}
