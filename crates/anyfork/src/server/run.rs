//! A process enters its entry and is a worker from then on.

use super::{Process, announce, go_on_without_parent, prepare};
use crate::entry::{self, Finished, Found};
use crate::inputs::Inputs;
use crate::sys::exit;
use crate::sys::threads;
use crate::trace;
use crate::wire::{Failure, Reply};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};

/// Runs the entry and ends the process with what it returned.
pub(super) fn enter(mut process: Process, entry: Found) -> ! {
    // With threads, which preparation made, the old title stays: it could be read while it is written.
    if let Some(proof) = process.single.take().or_else(|| threads::single().ok()) {
        process.set_title(&proof, entry.name());
    }
    let (mut inputs, bound) = match bind(&mut process, &entry) {
        Ok(bound) => bound,
        Err(failure) => process.fail(failure),
    };
    go_on_without_parent(&process);
    let Process { socket, owner, context, pidfd, .. } = process;
    // Closes its descriptor. Freeing the rest would copy pages that are shared with the template, to no end.
    drop(owner.leave());
    // Who started this process may have given up by now (its deadline passed, or it is gone): then it never starts.
    let pid = rustix::process::getpid().as_raw_pid() as u32;
    if announce(&socket, &Reply::Started { pid }, pidfd).is_err() {
        exit::now(0);
    }
    drop(socket);
    let run = trace::Run::new(entry.name(), pid, context.as_deref());
    let code = match panic::catch_unwind(AssertUnwindSafe(bound)) {
        Ok(Finished::Code(code)) => i32::from(code),
        Ok(Finished::Error { code, message }) => {
            // Not eprintln!, which panics when nobody reads standard error.
            let _ = writeln!(std::io::stderr(), "{}: {message}", entry.name());
            i32::from(code)
        }
        Err(_) => exit::PANICKED,
    };
    run.ended(code);
    exit::flush_output();
    // A socket that no parameter took has been kept open to here, so that the other end sees the end.
    inputs.take_socket();
    // Who has waited for that goes first, if on this processor: the end of a process takes as long as its fork.
    rustix::thread::sched_yield();
    exit::now(code)
}

/// Finds an input for each parameter. The socket is duplicated: the parameter has its own while this end still has to answer.
fn bind(process: &mut Process, entry: &Found) -> Result<(Inputs, entry::Bound), Failure> {
    let socket = rustix::io::fcntl_dupfd_cloexec(&process.socket, 3)
        .map_err(|errno| Failure::system("duplicate the socket", &errno.into()))?;
    let mut inputs = Inputs::new(Some(UnixStream::from(socket)), std::mem::take(&mut process.inputs));
    let bound = prepare::bind_inputs(entry, &mut inputs)?;
    Ok((inputs, bound))
}
