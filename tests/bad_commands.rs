//! What cannot be started is an error that names step and object, the same each time, and leaves nothing behind.

#[path = "support/commands.rs"]
mod commands;

#[path = "bad_commands/oracle.rs"]
mod oracle;

#[path = "bad_commands/strings.rs"]
mod strings;

#[path = "bad_commands/programs.rs"]
mod programs;

#[path = "bad_commands/steps.rs"]
mod steps;

#[path = "bad_commands/faults.rs"]
mod faults;

#[path = "bad_commands/refused.rs"]
mod refused;

#[path = "bad_commands/starved.rs"]
mod starved;
