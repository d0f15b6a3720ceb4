//! Modules: shared libraries that a process loads, in Rust and in C, and what is refused. They are made by cargo and by the C compiler when a test wants them.

#![cfg(not(target_feature = "crt-static"))]

#[path = "modules/libraries.rs"]
mod libraries;

#[path = "modules/running.rs"]
mod running;

#[path = "modules/preparing.rs"]
mod preparing;

#[path = "modules/finding.rs"]
mod finding;

#[path = "modules/refused.rs"]
mod refused;

#[path = "modules/constructors.rs"]
mod constructors;

#[path = "modules/replaced.rs"]
mod replaced;

#[path = "modules/header.rs"]
mod header;

use anyfork::{Error, ErrorKind, Process, Template};
use anyfork_tests::{answer, children, wait_until};
use std::time::Duration;

/// What is said by an entry that takes nothing.
fn says(process: Process, entry: &str) -> String {
    answer(&process.blocking_socket(true).run(entry).unwrap())
}

/// A process that is forked to load the library fails; it is gone then, and the template works as before.
fn refused(template: &Template, library: &str) -> Error {
    refused_process(template, template.fork().load(library))
}

fn refused_process(template: &Template, process: Process) -> Error {
    let error = process.template().unwrap_err();
    let none_is_left = wait_until(Duration::from_secs(5), || children(template.pid()).is_empty());
    assert!(none_is_left, "a process stayed: {error}");
    assert_eq!(says(template.fork(), "modules::works"), "it works");
    error
}

#[anyfork::entry]
fn works(mut socket: std::os::unix::net::UnixStream) -> std::io::Result<()> {
    std::io::Write::write_all(&mut socket, b"it works")
}

/// The kind, and what the text has.
fn check(error: &Error, kind: ErrorKind, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
}
