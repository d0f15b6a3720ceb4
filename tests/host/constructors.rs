//! Entries that look whether the C constructors that are linked into this program have run.

use crate::{Outcome, origin, say};
use std::ffi::c_int;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

// SAFETY: written before `main`, by constructors in early.c and late.c, and only read after that.
unsafe extern "C" {
    safe static early_ran: c_int;
    safe static late_ran: c_int;
    safe static early_saw_handover: c_int;
    safe static late_saw_handover: c_int;
}

/// How often each has run, and whether it saw the variable that anyfork's own constructor removes.
#[anyfork::entry]
fn look(mut socket: UnixStream) -> std::io::Result<()> {
    write!(socket, "{early_ran} {late_ran} {early_saw_handover} {late_saw_handover}")
}

pub(crate) fn run(_: &[&str]) -> Outcome {
    for kind in ["default", "nested", "exec"] {
        let (process, _template) = origin(kind)?;
        let worker = process.blocking_socket(true).run(look)?;
        let mut seen = String::new();
        worker.socket().read_to_string(&mut seen)?;
        say(kind, seen);
    }
    Ok(())
}
