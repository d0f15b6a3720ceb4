//! Templates that come back by their recipe: `Process::restarts`, `Template::restart`, `Template::fresh`.

#[path = "restart/automatic.rs"]
mod automatic;

#[path = "restart/by_hand.rs"]
mod by_hand;

#[path = "restart/faults.rs"]
mod faults;

#[path = "restart/fresh.rs"]
mod fresh;

#[path = "restart/origins.rs"]
mod origins;

use anyfork::{ExitStatus, Input, Inputs, Process, Restarts, Template, Worker};
use anyfork_tests::{LONG, Scratch, all_end_soon, answer, identity, signal};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::Duration;

/// What the calls of `load` have left in this process.
static LOADED: Mutex<String> = Mutex::new(String::new());

/// Loads a file; fails if it is not there.
#[anyfork::entry]
fn load(path: String) -> io::Result<()> {
    LOADED.lock().unwrap().push_str(&fs::read_to_string(path)?);
    Ok(())
}

/// Adds a line to a file, and takes its time.
#[anyfork::entry]
fn leave_a_line(path: String, milliseconds: u64) -> io::Result<()> {
    writeln!(File::options().create(true).append(true).open(path)?, "{}", std::process::id())?;
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(())
}

/// Takes as many milliseconds as a file says.
#[anyfork::entry]
fn take_time(path: String) -> io::Result<()> {
    let milliseconds = fs::read_to_string(path)?.parse().map_err(io::Error::other)?;
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(())
}

/// Leaves a child that has all descriptors of this process, and tells its number in a file.
#[anyfork::entry]
fn leave_a_child(path: String) -> io::Result<()> {
    // SAFETY: a process that is being prepared has one thread.
    match unsafe { libc::fork() } {
        0 => {
            std::thread::sleep(LONG);
            // SAFETY: no preconditions.
            unsafe { libc::_exit(0) }
        }
        child => fs::write(path, child.to_string()),
    }
}

/// Tells what was loaded, and each of its inputs.
#[anyfork::entry]
fn report(mut socket: UnixStream, inputs: Inputs) -> io::Result<()> {
    write!(socket, "{}", LOADED.lock().unwrap())?;
    for input in inputs {
        match input {
            Input::Arg(octets) if octets.len() > 100 => write!(socket, " {} octets", octets.len())?,
            Input::Arg(octets) => write!(socket, " {}", String::from_utf8_lossy(&octets))?,
            Input::Fd(fd) => write!(socket, " {}", identity(&fd))?,
            _ => write!(socket, " ?")?,
        }
    }
    Ok(())
}

/// Stays until end-of-file, and ends with this code, the last of its inputs.
#[anyfork::entry]
fn stay(mut socket: UnixStream, inputs: Inputs) -> io::Result<std::process::ExitCode> {
    socket.read_to_end(&mut Vec::new())?;
    match inputs.last() {
        Some(Input::Arg(code)) => Ok(code[0].into()),
        _ => Err(io::Error::other("no code")),
    }
}

#[anyfork::entry]
fn nothing(_rest: Inputs) {}

fn said(process: Process) -> String {
    answer(&process.blocking_socket(true).run(report).unwrap())
}

/// How it has ended, in bounded time.
fn end(worker: &Worker) -> ExitStatus {
    worker.wait_timeout(LONG).expect("a status").expect("it ends")
}

/// Lets one that stays end.
fn release(worker: &Worker) -> ExitStatus {
    worker.socket().shutdown(std::net::Shutdown::Write).unwrap();
    end(worker)
}

/// Kills the template, and returns when it is gone.
fn kill(template: &Template) {
    let pid = template.pid();
    signal(pid, Signal::KILL);
    all_end_soon(&[pid]);
}

fn lines(path: &str) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

fn written(name: &str, text: &str) -> Scratch {
    let scratch = Scratch::new(name);
    fs::write(&*scratch, text).unwrap();
    scratch
}

fn by_hand() -> Process {
    Process::new().restarts(Restarts::by_hand())
}
