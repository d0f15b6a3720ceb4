//! What must hold, whatever happens.

use std::fmt;
use std::str::FromStr;

/// Each has a name, which is what a mutant is recognized by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oracle {
    /// Each process has ended as it was told to, and has said what it was to say.
    Status,
    /// Each process that was started has a status.
    Lost,
    /// Without faults, each start succeeds; with them, it fails only for reasons that they can be.
    Errors,
    /// Right, failed, lost and dropped are all there are.
    Sum,
    /// Each call ends within its deadline.
    Deadline,
    /// After a fault, processes are started again.
    Recovery,
    /// No process that has ended stays, also while the program idles.
    Zombies,
    /// Program and templates have the descriptors that they had.
    Descriptors,
    /// Program and templates do not grow.
    Memory,
    /// No process is left behind.
    Left,
    /// The program under test itself goes on to its end.
    Program,
}

const ALL: [(Oracle, &str); 11] = [
    (Oracle::Status, "status"),
    (Oracle::Lost, "lost"),
    (Oracle::Errors, "errors"),
    (Oracle::Sum, "sum"),
    (Oracle::Deadline, "deadline"),
    (Oracle::Recovery, "recovery"),
    (Oracle::Zombies, "zombies"),
    (Oracle::Descriptors, "descriptors"),
    (Oracle::Memory, "memory"),
    (Oracle::Left, "left"),
    (Oracle::Program, "program"),
];

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ALL.iter().find(|(oracle, _)| oracle == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Oracle {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = ALL.iter().find(|(_, known)| *known == name);
        known.map(|(oracle, _)| *oracle).ok_or_else(|| format!("no oracle {name}"))
    }
}
