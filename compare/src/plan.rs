//! What is measured in a round: which cases, of which systems, at which sizes of the main program.

use crate::names::{CASES, STATIC, place};
use crate::options::{Extent, Options};
use crate::subjects::{self, Kind};

/// One measurement of a round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    pub(crate) case: String,
    pub(crate) system: &'static str,
    pub(crate) mib: u64,
    pub(crate) in_flight: usize,
}

/// The size at which everything is measured: nothing but the program itself.
pub(crate) const SMALL: u64 = 5;

const WORKERS: [&str; 6] = ["anyfork", "AnyEvent::Fork", "python-forkserver", "procspawn", "zygote", "std"];
const COMMANDS: [&str; 3] = ["anyfork", "std", "tokio"];
/// What times can be compared with.
pub(crate) const REFERENCES: [&str; 2] = ["pthread_create", "socketpair"];

/// All turns of a round, in their order.
pub(crate) fn turns(options: &Options, sizes: &[u64]) -> Vec<Turn> {
    let mut turns = Vec::new();
    for &mib in sizes {
        let mut of_size = Vec::new();
        for case in CASES {
            if options.cases.is_empty() || options.cases.iter().any(|chosen| chosen == case.name) {
                add(&mut of_size, case.name, mib, options.extent);
            }
        }
        of_size.retain(|turn| options.systems.is_empty() || options.systems.iter().any(|chosen| chosen == turn.system));
        of_size.retain(|turn| subjects::kind(turn.system) == Kind::Rust || mib <= options.extent.largest_script());
        turns.extend(of_size);
    }
    turns
}

fn add(turns: &mut Vec<Turn>, case: &str, mib: u64, extent: Extent) {
    let small = mib == SMALL;
    let mut each = |case: &str, in_flight: usize, systems: &[&[&'static str]]| {
        let systems = systems.concat().into_iter();
        turns.extend(systems.map(|system| Turn { case: case.to_owned(), system, mib, in_flight }));
    };
    let one_at_a_time = ["zygote", "socketpair", "limit-forkloop"];
    match case {
        "run" if small => {
            let all =
                [&["anyfork", STATIC], &WORKERS[1..], &REFERENCES, &["limit-forkloop", "limit-template"]].concat();
            let many: Vec<_> = all.iter().copied().filter(|system| !one_at_a_time.contains(system)).collect();
            each(case, 1, &[&all]);
            each(case, 16, &[&many]);
            each(case, 64, &[&many]);
            each("run/spares", 1, &[&["anyfork", "AnyEvent::Fork", "limit-forkloop"]]);
            each("run/spares", 64, &[&["anyfork", "AnyEvent::Fork", "limit-template"]]);
        }
        "run" => {
            each(case, 1, &[&WORKERS]);
            each(case, 16, &[&["anyfork", "AnyEvent::Fork"]]);
        }
        "exec" if small => each(case, 1, &[&["anyfork", STATIC, "AnyEvent::Fork", "procspawn", "std"]]),
        "first-byte" if small => each(case, 1, &[&WORKERS, &REFERENCES]),
        "first-byte" => each(case, 1, &[&WORKERS]),
        "first-byte-spare" if small => {
            each("first-byte-spare", 1, &[&["anyfork"], &REFERENCES]);
            each("first-byte-spare/closed", 1, &[&["anyfork"], &REFERENCES]);
            each("first-byte-spare/burst", 64, &[&["anyfork"]]);
            each("first-byte-spare/burst-without", 64, &[&["anyfork"]]);
        }
        "command" if small => {
            each(case, 1, &[&COMMANDS]);
            each(case, 8, &[&COMMANDS]);
        }
        "command" | "command-attrs" => each(case, 1, &[&COMMANDS]),
        "caller-blocked" => {
            each(case, 1, &[&WORKERS]);
            each("caller-blocked/command", 1, &[&COMMANDS]);
            each("caller-blocked/command-attrs", 1, &[&COMMANDS]);
        }
        "others-blocked" if !small => {
            each(case, 1, &[&["idle", "anyfork", "procspawn", "zygote", "std"]]);
            each("others-blocked/command", 1, &[&["idle"], &COMMANDS]);
            each("others-blocked/command-attrs", 1, &[&["idle"], &COMMANDS]);
        }
        "idle-memory" if small => each(case, 1, &[&WORKERS]),
        "live" if small => {
            extent.live().iter().for_each(|live| each(case, *live as usize, &[&["anyfork", "AnyEvent::Fork"]]));
        }
        "preload" if small => {
            for mib in [16, 64, 512] {
                each(&format!("preload/{mib}"), 1, &[&["anyfork", "AnyEvent::Fork"]]);
                each(&format!("preload/{mib}-huge"), 1, &[&["anyfork"]]);
            }
        }
        _ => {}
    }
}

/// Whether its latencies are taken in an open loop, at half the rate of one after another.
pub(crate) fn is_open_loop(case: &str) -> bool {
    matches!(case, "first-byte" | "first-byte-spare")
}

/// Every system that has a turn.
pub(crate) fn systems(turns: &[Turn]) -> Vec<&'static str> {
    let mut systems: Vec<_> = turns.iter().map(|turn| turn.system).collect();
    systems.sort_by_key(|system| place(system));
    systems.dedup();
    systems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::family;

    fn options(cases: &[&str], systems: &[&str]) -> Options {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (cases, systems) = (owned(cases), owned(systems));
        Options { extent: Extent::Full, rounds: 1, cases, systems, json: None, charts: None }
    }

    #[test]
    fn every_case_has_turns() {
        let turns = turns(&options(&[], &[]), Extent::Full.sizes());
        for case in CASES {
            assert!(turns.iter().any(|turn| family(&turn.case) == case.name), "{}", case.name);
        }
    }

    #[test]
    fn systems_of_a_case_take_turns() {
        let turns = turns(&options(&["command"], &[]), &[5]);
        let systems: Vec<_> = turns.iter().map(|turn| (turn.system, turn.in_flight)).collect();
        assert_eq!(systems[..4], [("anyfork", 1), ("std", 1), ("tokio", 1), ("anyfork", 8)]);
    }

    #[test]
    fn only_what_is_chosen_is_measured() {
        let turns = turns(&options(&["run"], &["anyfork"]), &[5, 8000]);
        let places: Vec<_> = turns.iter().map(|turn| (turn.mib, turn.in_flight)).collect();
        assert_eq!(places, [(5, 1), (5, 16), (5, 64), (5, 1), (5, 64), (8000, 1), (8000, 16)]);
    }

    #[test]
    fn very_big_programs_are_in_rust_only() {
        let turns = turns(&options(&[], &[]), &[5, 2000, 8000]);
        let largest = |kind| turns.iter().filter(|turn| subjects::kind(turn.system) == kind).map(|turn| turn.mib).max();
        assert_eq!([Kind::Rust, Kind::Perl, Kind::Limit].map(largest), [Some(8000), Some(2000), Some(5)]);
    }
}
