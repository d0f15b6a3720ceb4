//! A module with an entry that returns at once.

anyfork::module!();

#[anyfork::entry]
fn finish() {}
