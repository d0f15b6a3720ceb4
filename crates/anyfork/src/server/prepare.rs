//! The orders to a process before it is a template or a worker.

use super::{Next, Process};
use crate::allowed;
use crate::blob::Blob;
use crate::channel::{Filled, Message};
use crate::entry::{self, Finished, Found, NotFound};
use crate::inputs::{Input, Inputs};
use crate::modules;
use crate::outcome::catch_panic;
use crate::sys::environ;
use crate::sys::exit;
use crate::sys::socket::{self, Blocking};
use crate::sys::threads;
use crate::wire::{CallArg, Failure, FailureKind, Malformed, Order, Role};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{self, AssertUnwindSafe};

/// Follows orders until one says what to become. Ends the process when the other end is gone or an order fails.
pub(super) fn follow_orders(process: &mut Process) -> Next {
    loop {
        let next = match process.inbox.next() {
            Ok(Some(message)) => follow(process, message),
            Ok(None) => receive(process).map(|()| None),
            Err(malformed) => Err(not_understood(malformed)),
        };
        match next {
            Ok(Some(next)) => return next,
            Ok(None) => {}
            Err(failure) => process.fail(failure),
        }
    }
}

fn receive(process: &mut Process) -> Result<(), Failure> {
    match process.inbox.fill(&process.socket, Blocking::Yes) {
        Ok(Filled::Some | Filled::Nothing) => Ok(()),
        // Nobody wants this process any more.
        Ok(Filled::End) => exit::now(0),
        Err(error) => Err(Failure::system("receive orders", &error)),
    }
}

fn follow(process: &mut Process, message: Message) -> Result<Option<Next>, Failure> {
    if message.lost_descriptors {
        let error = io::Error::from(rustix::io::Errno::MFILE);
        return Err(Failure::system("receive descriptors in the new process", &error));
    }
    let order = Order::parse(message.frame.get()).map_err(not_understood)?;
    let mut descriptors = message.descriptors.into_iter();
    match order {
        Order::Arg(octets) => process.inputs.push_back(Input::Arg(Blob::owned(octets.to_vec()))),
        Order::SealedArg => process.inputs.push_back(Input::Arg(sealed(descriptors.next())?)),
        Order::Descriptors => process.inputs.extend(descriptors.map(Input::Fd)),
        Order::Call { entry, args } => {
            if socket::is_abandoned(&process.socket) {
                exit::now(0);
            }
            process.single = None;
            call(entry, args, descriptors)?;
        }
        Order::Load { path, .. } => {
            if socket::is_abandoned(&process.socket) {
                exit::now(0);
            }
            // Its constructors may make threads.
            process.single = None;
            modules::load(path)?;
        }
        Order::Eval { .. } => {
            return Err(not_understood(Malformed("code to evaluate, which a compiled program cannot")));
        }
        Order::Context(context) => process.context = Some(String::from_utf8_lossy(context).into_owned()),
        Order::Name(name) => process.name = Some(String::from_utf8_lossy(name).into_owned()),
        Order::Environment { names } => keep_variables(process, names)?,
        Order::Bundle { .. } => process.inbox.insert(&sealed(descriptors.next())?),
        // A process that is prepared ends with its template, which ends with its owner: so it stays.
        Order::Bind => process.role = Role::Bound,
        Order::Template => return Ok(Some(Next::Template)),
        Order::Run { .. } | Order::Become { .. } if !process.inbox.is_empty() => {
            return Err(not_understood(Malformed("orders behind the last one")));
        }
        Order::Run { entry } => return Ok(Some(Next::Run(find(entry)?))),
        Order::Become { program } => {
            return Ok(Some(Next::Become(program.to_vec(), descriptors.collect())));
        }
        _ => return Err(not_understood(Malformed("an order for a template, to a process that is none"))),
    }
    Ok(None)
}

fn keep_variables(process: &mut Process, names: &[u8]) -> Result<(), Failure> {
    let proof = match process.single.take() {
        Some(proof) => proof,
        None => threads::single_soon().map_err(|threads| {
            let message = format!("it has {threads}, which may be reading its environment: call it first");
            Failure::new(FailureKind::Threads, "env_allow", "", message)
        })?,
    };
    let kept = environ::keep_only(&proof, |variable| allowed::has(names, variable));
    process.single = Some(proof);
    kept.map_err(|error| Failure::system("wipe the environment", &error))
}

pub(super) fn sealed(file: Option<OwnedFd>) -> Result<Blob, Failure> {
    let file = file.ok_or_else(|| not_understood(Malformed("an argument without its file")))?;
    Blob::sealed(file).map_err(|error| Failure::system("map an argument", &error))
}

/// Runs an entry now. Its error, and its panic with the place, go back to the caller.
fn call(name: &[u8], args: Vec<CallArg<'_>>, mut files: impl Iterator<Item = OwnedFd>) -> Result<(), Failure> {
    let args = args.into_iter().map(|arg| {
        Ok(Input::Arg(match arg {
            CallArg::Inline(octets) => Blob::owned(octets.to_vec()),
            CallArg::Sealed => sealed(files.next())?,
        }))
    });
    run_entry(name, args.collect::<Result<_, Failure>>()?)
}

/// Runs an entry with these inputs, and no socket.
pub(super) fn run_entry(name: &[u8], inputs: VecDeque<Input>) -> Result<(), Failure> {
    let entry = find(name)?;
    let mut inputs = Inputs::new(None, inputs);
    let failed = |message: String| Failure::new(FailureKind::Preparation, "call", entry.name(), message);
    let bound = bind_inputs(&entry, &mut inputs)?;
    match catch_panic(bound) {
        Ok(Finished::Code(0)) => Ok(()),
        Ok(Finished::Code(code)) => Err(failed(format!("it returned exit code {code}"))),
        Ok(Finished::Error { message, .. }) => Err(failed(message)),
        Err(panic) => Err(failed(format!("it panicked {panic}"))),
    }
}

/// The entry of that name.
pub(super) fn find(name: &[u8]) -> Result<Found, Failure> {
    entry::find(name).map_err(|not_found| {
        let name = String::from_utf8_lossy(name);
        match not_found {
            NotFound::Twice => {
                let message = "two entries are registered under this name \
                    (entries in functions and impl blocks have the path of their module)";
                Failure::new(FailureKind::AmbiguousEntry, "entry", name, message)
            }
            NotFound::Unknown { nearest } => {
                let hint = nearest.map(|nearest| format!("; the nearest is {nearest}")).unwrap_or_default();
                let message = format!("no entry of this name is registered in the program{hint}");
                Failure::new(FailureKind::UnknownEntry, "entry", name, message)
            }
        }
    })
}

/// Finds an input for each parameter.
pub(super) fn bind_inputs(entry: &Found, inputs: &mut Inputs) -> Result<entry::Bound, Failure> {
    let failed = |message| Failure::new(FailureKind::Inputs, "", entry.name(), message);
    // No hook is set for this as in `catch_panic`: only an `Extract` of the user's can panic, and this is done for each worker.
    match panic::catch_unwind(AssertUnwindSafe(|| entry.bind(inputs))) {
        Ok(bound) => bound.map_err(failed),
        Err(_) => Err(failed("taking the inputs panicked".to_owned())),
    }
}

pub(super) fn not_understood(Malformed(what): Malformed) -> Failure {
    Failure::new(FailureKind::Protocol, "follow orders", "", what)
}
