//! What happens when something goes wrong, one file per sort of fault. After each, nothing of ours is left over, each handle has had its answer in
//! time, and the next start works.

#[path = "faults/nested.rs"]
mod nested;

#[path = "faults/numbers.rs"]
mod numbers;

#[path = "faults/templates.rs"]
mod templates;

/// Whether this is root, who can make namespaces. If not, that is said.
fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        anyfork_tests::skipped("it takes root");
    }
    root
}
