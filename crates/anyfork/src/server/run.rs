//! A process enters its entry and is a worker from then on.

use super::{Process, announce, prepare};
use crate::entry::Finished;
use crate::inputs::Inputs;
use crate::sys::exit;
use crate::wire::{Failure, Reply};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};

/// Runs the entry and ends the process with what it returned.
pub(super) fn enter(mut process: Process, name: &str) -> ! {
    let (entry, mut inputs, bound) = match bind(&mut process, name) {
        Ok(bound) => bound,
        Err(failure) => process.fail(failure),
    };
    process.set_title(entry);
    super::go_on_without_parent(&process);
    let Process { socket, inbox, owner, .. } = process;
    drop((inbox, owner));
    // Who started this process may have given up by now (its deadline passed, or it is gone): then it never starts.
    if announce(&socket, &Reply::Started { pid: std::process::id() }).is_err() {
        exit::now(0);
    }
    drop(socket);
    exit::skip_inherited_handlers();
    let code = match panic::catch_unwind(AssertUnwindSafe(bound)) {
        Ok(Finished::Code(code)) => i32::from(code),
        Ok(Finished::Error(error)) => {
            eprintln!("{entry}: {error}");
            1
        }
        Err(_) => exit::PANICKED,
    };
    exit::flush_output();
    // A socket that no parameter took has been kept open to here, so that the other end sees the end.
    inputs.take_socket();
    exit::now(code)
}

type Ready = (&'static str, Inputs, crate::entry::Bound);

fn bind(process: &mut Process, name: &str) -> Result<Ready, Failure> {
    let entry = prepare::find(name.as_bytes())?;
    let socket: OwnedFd =
        process.socket.try_clone().map_err(|error| Failure::system("duplicate the socket", &error))?;
    let mut inputs = Inputs::new(Some(UnixStream::from(socket)), std::mem::take(&mut process.inputs));
    let bound = prepare::bind_inputs(&entry, &mut inputs)?;
    Ok((entry.name, inputs, bound))
}
