//! What program and templates have at one moment.

use crate::family::{self, Descriptors};
use std::collections::BTreeMap;

/// The processes that stay for the whole soak.
pub(crate) const PROGRAM: &str = "program";
pub(crate) const TEMPLATE: &str = "template";
pub(crate) const DEFAULT: &str = "default template";

/// Those that there are, by what they are.
pub(crate) type Residents = BTreeMap<&'static str, u32>;

#[derive(Debug)]
pub(crate) struct Snapshot {
    residents: Residents,
    descriptors: BTreeMap<&'static str, Descriptors>,
    memory: BTreeMap<&'static str, u64>,
}

impl Snapshot {
    pub(crate) fn take(residents: &Residents) -> Self {
        let descriptors = residents.iter().map(|(name, pid)| (*name, family::descriptors(*pid))).collect();
        let memory = residents.iter().filter_map(|(name, pid)| Some((*name, family::memory(*pid)?))).collect();
        Snapshot { residents: residents.clone(), descriptors, memory }
    }

    /// Bytes, of one of them.
    pub(crate) fn memory(&self, name: &str) -> Option<u64> {
        self.memory.get(name).copied()
    }

    /// How many descriptors one has.
    pub(crate) fn open(&self, name: &str) -> Option<usize> {
        Some(self.descriptors.get(name)?.values().sum())
    }

    /// What is open now and was not, or the other way round; a line for each process in which something is.
    pub(crate) fn differences(&self, before: &Snapshot) -> Vec<String> {
        // A process that was replaced has sockets of its own, and so has the program for it.
        let same = self.residents == before.residents;
        let names = self.descriptors.keys();
        let lines = names.filter_map(|name| {
            let of = |snapshot: &Snapshot| snapshot.descriptors.get(name).map(|open| known(open, same));
            let (now, then) = (of(self).unwrap_or_default(), of(before).unwrap_or_default());
            (now != then).then(|| format!("{name}: {}", difference(&then, &now)))
        });
        lines.collect()
    }
}

/// By identity or, if that cannot be the same, by kind.
fn known(open: &Descriptors, by_identity: bool) -> Descriptors {
    let mut known = Descriptors::new();
    for (name, count) in open {
        let name = if by_identity { name } else { name.split(":[").next().unwrap_or(name) };
        *known.entry(name.to_owned()).or_default() += count;
    }
    known
}

fn difference(then: &Descriptors, now: &Descriptors) -> String {
    let names: std::collections::BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let count = |of: &Descriptors, name: &String| of.get(name).copied().unwrap_or_default();
    let changed = names.into_iter().filter(|name| count(then, name) != count(now, name));
    let all: Vec<String> =
        changed.map(|name| format!("{name} {} -> {}", count(then, name), count(now, name))).collect();
    let more = if all.len() > 5 { format!(" and {} more", all.len() - 5) } else { String::new() };
    format!("{}{more}", all[..all.len().min(5)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(pid: u32, open: &[&str]) -> Snapshot {
        let mut descriptors = Descriptors::new();
        open.iter().for_each(|name| *descriptors.entry((*name).into()).or_default() += 1);
        let residents = Residents::from([(PROGRAM, 1), (TEMPLATE, pid)]);
        Snapshot { residents, descriptors: [(PROGRAM, descriptors)].into(), memory: BTreeMap::new() }
    }

    #[test]
    fn another_socket_is_a_difference() {
        let before = snapshot(2, &["socket:[1]", "/dev/null"]);
        assert_eq!(snapshot(2, &["socket:[1]", "/dev/null"]).differences(&before), [""; 0]);
        let differences = snapshot(2, &["socket:[2]", "/dev/null"]).differences(&before);
        assert_eq!(differences, ["program: socket:[1] 1 -> 0, socket:[2] 0 -> 1"]);
    }

    #[test]
    fn one_for_a_new_template_is_not_but_one_more_is() {
        let before = snapshot(2, &["socket:[1]", "/dev/null"]);
        assert_eq!(snapshot(3, &["socket:[2]", "/dev/null"]).differences(&before), [""; 0]);
        let differences = snapshot(3, &["socket:[2]", "socket:[3]", "/dev/null"]).differences(&before);
        assert_eq!(differences, ["program: socket 1 -> 2"]);
    }
}
