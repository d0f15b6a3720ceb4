//! Interpreters that serve processes: external programs that the default template starts, with the process's own socket and the code of their server.

use crate::channel::{Dialect, Outbox};
use crate::command::Command;
use crate::default_template;
use crate::error::{Error, Result};
use crate::handover;
use crate::launched::Launched;
use crate::process::{Origin, Process};
use crate::served::Server;
use crate::starting::Options;
use crate::sys::memfd;
use crate::wire::{Order, Role};
use rustix::fs::SeekFrom;
use std::ffi::OsStr;
use std::sync::Arc;

/// Where an interpreter finds its socket.
pub(crate) const SOCKET: u32 = 3;

/// Where it finds the code of its server. `boot` closes it.
const CODE: u32 = 4;

/// The code of a server, and what makes the interpreter run it.
pub(crate) struct Code<'a> {
    /// Read from [`CODE`] by `boot`.
    pub(crate) text: &'a str,
    /// The interpreter's arguments, behind those of the command.
    pub(crate) boot: &'a [&'a OsStr],
}

/// A process that is served by a program that is still to be started.
pub(crate) fn process<S: Server>(mut command: Command, code: &Code<'_>) -> Process<S> {
    let options = std::mem::replace(&mut command.options, Options::new(Role::Free));
    let text = memfd::sealed(code.text.as_bytes()).and_then(|text| {
        // Its reader begins where the writer has stopped.
        rustix::fs::seek(&text, SeekFrom::Start(0))?;
        Ok(text)
    });
    let checked = text.map_err(|error| Error::system("put the server into a memory file", error)).and_then(|text| {
        command.fd_at(CODE, text).args(code.boot);
        command.serve_at(SOCKET)
    });
    let mut process = Process::of(Origin::Interpreter(Arc::new(command)));
    process.options = options;
    if let Err(error) = checked {
        process.keep(error);
    }
    process
}

/// Starts it, with the orders that wait for it.
pub(crate) fn start(command: &Command, dialect: Dialect, bound: bool, orders: Outbox) -> Result<Launched> {
    let mut all = Outbox::new(dialect);
    if dialect == Dialect::Frames {
        // Nothing was handed over that could be mistaken: it has been started with this very socket.
        default_template::greet(&mut all, &handover::Nonce::default(), false)?;
        if bound {
            all.push(&Order::Bind, []);
        }
    }
    all.append(orders);
    command.order_served(all)
}
