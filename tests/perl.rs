//! Processes that are served by Perl: what is special to that server. What all servers have in common is tested for all of them together.

#[path = "perl/errors.rs"]
mod errors;

#[path = "perl/evaluation.rs"]
mod evaluation;

#[path = "perl/gaps.rs"]
mod gaps;

#[path = "perl/interpreters.rs"]
mod interpreters;

#[path = "perl/signals.rs"]
mod signals;

#[path = "perl/transport.rs"]
mod transport;

use anyfork::{Command, Perl, Process, Worker};
use anyfork_tests::{Scratch, has_pidfds, keeps_statuses};
use std::fs::{self, File};
use std::io::Read;

/// Where the Perl files of these tests are.
const PERL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/perl");

/// The Perl code that serves a process: the wrapper, and the original's server where it is installed.
fn wrapper_and_server() -> String {
    let wrapper = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/anyfork/src/perl/wrapper.pl");
    fs::read_to_string(wrapper).unwrap() + &fs::read_to_string(server_path()).unwrap()
}

/// Where the original's server is installed.
fn server_path() -> String {
    let print = "use AnyEvent::Fork::Serve; print $INC{'AnyEvent/Fork/Serve.pm'}";
    let output = Command::new("perl").args(["-e", print]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// An interpreter whose standard error is a file.
fn with_errors_in(name: &str) -> (Scratch, Process<Perl>) {
    let file = Scratch::new(name);
    let mut command = Command::new("perl");
    command.stderr(File::create(&*file).unwrap());
    (file, Perl::from_command(command))
}

/// All that a worker writes to its socket.
fn said(worker: &Worker) -> String {
    let (mut socket, mut said) = (worker.socket(), Vec::new());
    socket.set_nonblocking(false).unwrap();
    socket.read_to_end(&mut said).unwrap();
    String::from_utf8_lossy(&said).into_owned()
}
