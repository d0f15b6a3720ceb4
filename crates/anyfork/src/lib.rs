// One of its examples is for tokio.
#![cfg_attr(any(not(doctest), feature = "tokio"), doc = include_str!("../README.md"))]
#![cfg_attr(all(doctest, not(feature = "tokio")), doc = "See README.md.")]
#![deny(unsafe_code)]

mod allowed;
mod argument;
mod blob;
mod caller;
mod capability;
mod channel;
mod child;
mod command;
mod default_template;
mod descriptor;
mod doctor;
mod early;
mod ending;
mod entry;
mod error;
mod exited;
mod extract;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzz;
mod give_away;
mod handover;
mod init;
mod inputs;
mod interpreter;
mod kill_on_drop;
mod launched;
mod limit;
mod line;
mod maker;
mod modules;
mod mutant;
mod namespace;
mod options;
mod origin;
mod outcome;
mod pending;
mod perl;
mod policy;
mod preparation;
mod process;
mod pty;
mod pump;
mod python;
mod queue;
mod recipe;
mod request;
mod restartable;
mod restarts;
mod rt;
mod served;
mod server;
mod spares;
mod starting;
mod status;
mod sys;
mod template;
mod trace;
mod tree;
mod watch;
mod wire;
mod worker;

pub use allowed::env_allow;
pub use argument::ToArg;
pub use blob::Blob;
pub use capability::Capabilities;
pub use child::{Child, Output};
pub use command::{Command, Stdio};
pub use doctor::{Diagnosis, Finding, Presence, doctor};
pub use early::{early, template_here};
pub use ending::{Ended, Ending};
pub use entry::{ByFunction, ByPath, Entry, ToEntry};
pub use error::{Error, ErrorKind, Result};
pub use exited::Exited;
pub use extract::Extract;
pub use init::init;
pub use inputs::{Input, InputError, Inputs};
pub use limit::Limit;
pub use namespace::Namespaces;
pub use pending::Pending;
pub use perl::Perl;
pub use policy::{Policy, set_policy};
pub use process::{DEFAULT_DEADLINE, NO_ARGS, Process};
pub use pty::{Pty, PtySize};
pub use python::Python;
pub use restarts::Restarts;
pub use served::{Binds, Evaluates, Native, Reserves, Runs, Server};
pub use spares::Spares;
pub use starting::{Started, Starting};
pub use status::{ExitStatus, Usage};
pub use template::Template;
#[cfg(feature = "tracing")]
pub use trace::context as trace_context;
pub use tree::Killing;
pub use worker::Worker;

/// Has each new process do something of its own first.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// static SEED: AtomicU32 = AtomicU32::new(0);
///
/// #[anyfork::after_fork]
/// fn reseed() {
///     SEED.store(std::process::id(), Ordering::Relaxed);
/// }
///
/// #[anyfork::entry]
/// fn draw() {
///     assert_eq!(SEED.load(Ordering::Relaxed), std::process::id());
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// let template = anyfork::Process::new().template()?;
/// assert!(template.fork().run(draw)?.wait()?.success());
/// # Ok(())
/// # }
/// ```
pub use anyfork_macros::after_fork;

/// Makes a function one that a new process can run.
///
/// ```
/// use std::io::{PipeWriter, Write};
///
/// #[anyfork::entry]
/// fn join(mut output: PipeWriter, separator: char, words: Vec<String>) -> std::io::Result<()> {
///     output.write_all(words.join(&separator.to_string()).as_bytes())
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (reader, writer) = std::io::pipe()?;
/// let worker = anyfork::Process::new().fd(writer).arg('-').args(["a", "b", "c"]).run(join)?;
/// assert_eq!(std::io::read_to_string(reader)?, "a-b-c");
/// assert!(worker.wait()?.success());
/// # Ok(())
/// # }
/// ```
pub use anyfork_macros::entry;

/// Makes a library a module: one that [`Process::load`] can bring into a process. Stands once in a crate of the type `cdylib`:
///
/// ```toml
/// [lib]
/// crate-type = ["cdylib"]
///
/// [dependencies]
/// anyfork = "0.1"
/// ```
///
/// Arguments are copied into it, those that come as a [`Blob`] too.
///
/// It exports one C function, `anyfork_module`, with the table of all entries that the library has, under their paths (`resize::thumbnail`; those of other crates under this
/// crate's name: `resize::other::entry`), and its [`after_fork`](macro@after_fork) functions.
///
/// ```
/// #[anyfork::entry]
/// fn thumbnail(size: u32) {
///     println!("{size}");
/// }
///
/// anyfork::module!();
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! module {
    () => {
        /// What `anyfork::Process::load` looks for.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub extern "C" fn anyfork_module() -> *const $crate::__private::RawModule {
            $crate::__private::export(::core::env!("CARGO_CRATE_NAME"))
        }
    };
}

/// What the macros use. Not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::entry::{AFTER_FORK, Bound, ENTRIES, Finished, Registration};
    pub use crate::extract::{Followed, Last, Probe, steps as extract_steps};
    pub use crate::inputs::{InputError, Inputs};
    pub use crate::outcome::{Returned, steps as outcome_steps};
    #[cfg(feature = "smol")]
    pub use crate::rt::smol;
    #[cfg(feature = "tokio")]
    pub use crate::rt::tokio;
    pub use crate::sys::module::{RawModule, export};
    pub use linkme;

    pub fn finish(inputs: &mut Inputs) -> Result<(), InputError> {
        inputs.finish()
    }
}
