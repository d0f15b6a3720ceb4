//! What the conformance suite shares: the [`Subject`]s, which are the servers of anyfork with the same functions in each, and how tests talk to those
//! functions.
//!
//! What a server cannot do does not compile:
//!
//! ```compile_fail
//! anyfork::Process::new().eval("1 + 1", anyfork::NO_ARGS);
//! ```
//!
//! ```compile_fail
//! anyfork::Perl::new().die_with_owner(true);
//! ```
//!
//! ```compile_fail
//! anyfork::Perl::new().template().unwrap().spares(1..=2);
//! ```
//!
//! ```compile_fail
//! #[anyfork::entry]
//! fn of_this_program() {}
//! let _ = anyfork::Python::new("python3").run(of_this_program);
//! ```

#[path = "servers/functions.rs"]
pub mod functions;
mod subject;
mod talk;

pub use subject::*;
pub use talk::*;
