//! What the project wants to reach: ratios of anyfork to something else in the same run.

use std::fmt;

/// A bound of a ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    pub(crate) fn is_reached(self, ratio: f64) -> bool {
        match self {
            Goal::AtLeast(bound) => ratio >= bound,
            Goal::AtMost(bound) => ratio <= bound,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::AtLeast(bound) => write!(f, "at least {bound}"),
            Goal::AtMost(bound) => write!(f, "at most {bound}"),
        }
    }
}

/// Against another system in the same case.
pub(crate) fn against(case: &str, mib: u64, in_flight: usize, other: &str) -> Option<Goal> {
    Some(match (case, mib, in_flight, other) {
        ("run" | "run/spares", 5, 1, "limit-forkloop") => Goal::AtLeast(0.95),
        ("run" | "run/spares", 5, 64, "limit-template") => Goal::AtLeast(0.95),
        ("run" | "run/spares", 5, 1, "AnyEvent::Fork") => Goal::AtLeast(3.0),
        ("run" | "run/spares", 5, 64, "AnyEvent::Fork") => Goal::AtLeast(4.0),
        ("exec", 5, 1, "AnyEvent::Fork") => Goal::AtLeast(2.0),
        ("command-attrs", 2000, 1, "std") => Goal::AtLeast(25.0),
        ("command-attrs", 8000, 1, "std") => Goal::AtLeast(100.0),
        ("first-byte-spare" | "first-byte-spare/closed", 5, 1, "socketpair") => Goal::AtMost(2.0),
        ("first-byte-spare" | "first-byte-spare/closed", 5, 1, "pthread_create") => Goal::AtMost(3.0),
        _ => return None,
    })
}

/// Against itself in a small program, and with one live worker.
pub(crate) const FLAT: Goal = Goal::AtLeast(0.95);

/// The cases whose rate must not depend on the size of the main program.
pub(crate) const FLAT_CASES: [&str; 3] = ["run", "command", "command-attrs"];
