//! What happens when something goes wrong, one file per sort of fault. After each, nothing of ours is left over, each handle has had its answer in
//! time, and the next start works.

#[path = "faults/denied.rs"]
mod denied;

#[path = "faults/failing_anywhere.rs"]
mod failing_anywhere;

#[path = "faults/interfered.rs"]
mod interfered;

#[path = "faults/killed_anywhere.rs"]
mod killed_anywhere;

#[path = "faults/stopped_anywhere.rs"]
mod stopped_anywhere;

#[path = "faults/templates.rs"]
mod templates;
