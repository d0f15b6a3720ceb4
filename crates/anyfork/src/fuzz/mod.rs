//! What must hold of any octets that come from outside: a function for each target in `fuzz/` that needs no process. Each panics if it does not hold.
//!
//! The fuzzers call them (`cargo xtask fuzz`), and so do the unit tests: with the inputs that the fuzzers have kept (`corpus`), and with valid messages made at random
//! (`random`).

mod frames;
mod handover;
mod messages;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod random;
#[cfg(test)]
mod values;

pub use frames::frames;
pub use handover::handover;
pub use messages::{orders, programs, replies};
