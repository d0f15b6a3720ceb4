//! What happens when something goes wrong, one file per sort of fault. After each, nothing of ours is left over, each handle has had its answer in
//! time, and the next start works.

#[path = "faults/templates.rs"]
mod templates;
