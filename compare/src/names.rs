//! The cases and the systems, and what they are called.

/// A case, and what is measured of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
}

/// Every case, in the order of the table.
pub(crate) const CASES: [Case; 11] = [
    Case {
        name: "run",
        what: "a worker enters a function that returns at once; until its end is seen (/spares: by anyfork with 4 to 16 forked in advance)",
    },
    Case { name: "exec", what: "the same by a fresh exec of the program (Perl: of the interpreter)" },
    Case {
        name: "first-byte",
        what: "from the call to the first byte of the worker; open loop at half the highest rate",
    },
    Case { name: "first-byte-spare", what: "the same with processes forked in advance (/closed: one after another)" },
    Case { name: "command", what: "/bin/true, until its end is seen" },
    Case { name: "command-attrs", what: "the same with a user (as root), a session and a limit" },
    Case { name: "caller-blocked", what: "the time inside the call that starts a worker (/command..: a program)" },
    Case {
        name: "others-blocked",
        what: "what another thread waits for a fresh page while 200 workers (/command..: programs) per second are started",
    },
    Case {
        name: "idle-memory",
        what: "memory of a template and of a worker that waits (proportional: what is shared, divided by how many share it)",
    },
    Case { name: "live", what: "`run`, one at a time, with so many live workers (in flight)" },
    Case { name: "preload", what: "`run` of a template with so many MB resident, in small and huge pages" },
];

/// anyfork in this program linked statically, without shared libraries.
pub(crate) const STATIC: &str = "anyfork-static";

/// Whether the system is this project's own.
pub(crate) fn is_ours(system: &str) -> bool {
    matches!(system, "anyfork" | STATIC)
}

/// Every system, in the order of the table.
pub(crate) const SYSTEMS: [&str; 13] = [
    "anyfork",
    STATIC,
    "AnyEvent::Fork",
    "python-forkserver",
    "procspawn",
    "zygote",
    "std",
    "tokio",
    "pthread_create",
    "socketpair",
    "limit-forkloop",
    "limit-template",
    "idle",
];

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// More per second is better.
    Rate,
    /// Less time is better.
    Latency,
    /// Less memory is better.
    Memory,
}

/// What the rows of a case, or a part of one, are about.
pub(crate) fn measure(case: &str) -> Measure {
    match family(case) {
        "first-byte-spare" if case.contains("/burst") => Measure::Rate,
        "first-byte" | "first-byte-spare" | "caller-blocked" | "others-blocked" => Measure::Latency,
        "idle-memory" => Measure::Memory,
        _ => Measure::Rate,
    }
}

/// The quantile that a case is about: most pages wait for nobody, whoever starts what.
pub(crate) fn quantile(case: &str) -> f64 {
    if family(case) == "others-blocked" { 0.99 } else { 0.5 }
}

/// The case of a part: `caller-blocked` of `caller-blocked/command`.
pub(crate) fn family(case: &str) -> &str {
    case.split('/').next().unwrap_or(case)
}

/// What the case of this name, or of a part of it, measures.
pub(crate) fn what(case: &str) -> &'static str {
    CASES.iter().find(|known| known.name == family(case)).map_or("", |known| known.what)
}

/// The place of a system in the table.
pub(crate) fn place(system: &str) -> usize {
    SYSTEMS.iter().position(|known| *known == system).unwrap_or(SYSTEMS.len())
}

/// Checks a name that somebody typed.
pub(crate) fn known_case(name: &str) -> Result<String, String> {
    check("case", name, CASES.iter().map(|case| case.name))
}

/// The same for a system.
pub(crate) fn known_system(name: &str) -> Result<String, String> {
    check("system", name, SYSTEMS.into_iter())
}

fn check(what: &str, name: &str, mut known: impl Iterator<Item = &'static str> + Clone) -> Result<String, String> {
    let all: Vec<_> = known.clone().collect();
    match known.find(|known| *known == name) {
        Some(known) => Ok(known.to_owned()),
        None => Err(format!("there is no {what} of this name; known: {}", all.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_of_the_kind_of_its_case() {
        assert_eq!(measure("caller-blocked/command"), Measure::Latency);
        assert_eq!(measure("first-byte-spare/burst"), Measure::Rate);
        assert_eq!(measure("preload/16-huge"), Measure::Rate);
        assert_eq!(what("live"), CASES[9].what);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let message = known_case("rum").expect_err("it is unknown");
        assert!(message.contains("run, exec, first-byte"), "{message}");
        let message = known_system("std::process").expect_err("it is unknown");
        assert!(message.contains("procspawn, zygote, std"), "{message}");
    }
}
