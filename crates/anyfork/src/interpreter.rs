//! Interpreters that serve processes: external programs that the default template starts, with the process's own socket and the code of their server.

use crate::channel::{Dialect, Outbox};
use crate::command::{Command, Serving};
use crate::default_template;
use crate::error::Result;
use crate::handover;
use crate::launched::Launched;
use crate::options::Options;
use crate::origin::Origin;
use crate::process::Process;
use crate::served::Server;
use crate::wire::{Order, Role};
use std::ffi::OsStr;
use std::sync::Arc;

/// Where it finds the code of its server. `boot` closes it.
const CODE: u32 = 4;

/// The code of a server, and what makes the interpreter run it.
pub(crate) struct Code<'a> {
    /// Read from [`CODE`] by `boot`.
    pub(crate) text: &'static str,
    /// The interpreter's arguments, behind those of the command.
    pub(crate) boot: &'a [&'a OsStr],
}

/// A process that is served by a program that is still to be started.
pub(crate) fn process<S: Server>(mut command: Command, code: &Code<'_>) -> Process<S> {
    let options = std::mem::replace(&mut command.options, Options::new(Role::Free));
    command.args(code.boot);
    let checked = command.serve(Serving { socket: handover::SOCKET, code: CODE, text: code.text });
    let mut process = Process::of(Origin::Interpreter(Arc::new(command)));
    process.options = options;
    if let Err(error) = checked {
        process.keep(error);
    }
    process
}

/// Starts it, with the orders that wait for it.
pub(crate) fn start(command: &Command, bound: bool, orders: Outbox) -> Result<Launched> {
    let mut all = Outbox::new(orders.dialect);
    if orders.dialect == Dialect::Frames {
        // Nothing was handed over that could be mistaken: it has been started with this very socket.
        default_template::greet(&mut all, &handover::Nonce::default(), false)?;
        if bound {
            all.push(&Order::Bind, []);
        }
    }
    all.append(orders);
    command.order_served(all)
}
