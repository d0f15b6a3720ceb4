//! What happens when something goes wrong, one file per sort of fault. After each, nothing of ours is left over, each handle has had its answer in
//! time, and the next start works.

#[path = "faults/denied.rs"]
mod denied;

#[path = "faults/failing_anywhere.rs"]
mod failing_anywhere;

#[path = "faults/held.rs"]
mod held;

#[path = "faults/interfered.rs"]
mod interfered;

#[path = "faults/messages_of_python.rs"]
mod messages_of_python;

#[path = "faults/killed_anywhere.rs"]
mod killed_anywhere;

#[path = "support/commands.rs"]
mod commands;
#[path = "faults/stopped_anywhere.rs"]
mod stopped_anywhere;

#[path = "faults/handles.rs"]
mod handles;

#[path = "faults/memory.rs"]
mod memory;

#[path = "faults/nested.rs"]
mod nested;

#[path = "faults/numbers.rs"]
mod numbers;

#[path = "faults/preparations.rs"]
mod preparations;

#[path = "faults/statuses.rs"]
mod statuses;

#[path = "faults/surroundings.rs"]
mod surroundings;

#[path = "faults/templates.rs"]
mod templates;

use commands::root;

/// Stays until it is told an exit code, or reads end-of-file.
#[anyfork::entry]
fn stay(mut socket: std::os::unix::net::UnixStream, _rest: anyfork::Inputs) -> std::process::ExitCode {
    let mut code = [0];
    let _ = std::io::Read::read(&mut socket, &mut code);
    code[0].into()
}

#[anyfork::entry]
fn nothing() {}
