//! What an event loop tells of the work in `loops/work.rs`, whichever it is.

use crate::support::{number_after, run};
use std::collections::HashSet;

/// Who is started, and the lines about each after its name. Process numbers are left out.
const STORY: [(&str, &[&str]); 6] = [
    ("worker 1", &[" has started", ": exit status: 0"]),
    ("worker 2", &[" has started", ": exit status: 2"]),
    ("worker 3", &[" has started", ": exit status: 3"]),
    (
        "worker 4",
        &[": Inputs: LOOP::work::work, input 1: expected an argument that is a u64, got the argument \"briefly\""],
    ),
    (
        "worker 5",
        &[
            ": Deadline: start LOOP::work::work, prepared by LOOP::work::dawdle: the deadline passed; the process was given up and will not start",
        ],
    ),
    ("program", &[" has started", ": exit status: 7"]),
];

/// Runs the example of this loop to its end. Its lines about different processes may come in any order.
pub(crate) fn assert_told_by(event_loop: &str) {
    let mut lines = run(event_loop, &[]);
    let last = lines.pop().unwrap_or_default();
    let ticks = last.strip_suffix(" ticks meanwhile").and_then(|ticks| ticks.parse::<u32>().ok());
    assert!(ticks.is_some_and(|ticks| ticks > 0), "the loop did nothing else: {last:?} after {lines:#?}");

    for (name, story) in STORY {
        let told = lines.iter().filter_map(|line| line.strip_prefix(name));
        let told: Vec<&str> = told.map(|line| line.split(", process ").next().unwrap_or(line)).collect();
        let story: Vec<String> = story.iter().map(|line| line.replace("LOOP", event_loop)).collect();
        assert_eq!(told, story, "{name}, in {lines:#?}");
    }
    assert_eq!(lines.len(), STORY.iter().map(|(_, story)| story.len()).sum(), "{lines:#?}");

    let started = lines.iter().filter(|line| line.contains(" has started"));
    let pids: HashSet<u32> = started.map(|line| number_after(line, ", process ")).collect();
    assert_eq!(pids.len(), 4, "a number each: {lines:#?}");
}
