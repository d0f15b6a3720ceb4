//! anyfork against the others and against itself, with the goals.

use crate::goals::{FLAT, FLAT_CASES, Goal, against};
use crate::names::{Measure, STATIC, is_ours, measure, quantile};
use crate::plan::SMALL;
use crate::series::{Key, Measured, Series};
use crate::statistics::median_ratio;

/// A line for each case, size and number in flight.
pub(super) fn lines(measured: &Measured) -> Vec<String> {
    let all = measured.in_order();
    let ours = all.iter().filter(|(key, _)| is_ours(&key.system));
    ours.filter_map(|(key, series)| {
        let mut parts: Vec<String> = all.iter().filter_map(|other| against_other((*key, series), *other)).collect();
        parts.extend(against_itself(measured, key, series));
        (!parts.is_empty()).then(|| format!("{}: {}", title(key), parts.join("; ")))
    })
    .collect()
}

fn title(key: &Key) -> String {
    let unit = match measure(&key.case) {
        Measure::Rate => "rate",
        Measure::Latency if quantile(&key.case) > 0.5 => "p99",
        Measure::Latency => "p50",
        Measure::Memory => "KiB",
    };
    let which = if key.system == STATIC { ", anyfork-static" } else { "" };
    format!("{}, {} MB, {} in flight{which}, {unit}", key.case, key.mib, key.in_flight)
}

fn against_other((key, series): (&Key, &Series), (other, theirs): (&Key, &Series)) -> Option<String> {
    let same = (&key.case, key.mib, key.in_flight) == (&other.case, other.mib, other.in_flight);
    if !same || other.system == key.system || other.system == STATIC {
        return None;
    }
    let ratio = median_ratio(series.primary(&key.case), theirs.primary(&key.case))?;
    Some(part(ratio, &other.system, against(&key.case, key.mib, key.in_flight, &other.system)))
}

/// In a big program against a small one, with many live workers against one, with spares against none.
fn against_itself(measured: &Measured, key: &Key, series: &Series) -> Vec<String> {
    let mut parts = Vec::new();
    let mut add = |case: &str, mib, in_flight, name: &str, goal| {
        let base = measured.get(case, &key.system, mib, in_flight);
        let ratio = base.and_then(|base| median_ratio(series.primary(&key.case), base.primary(case)));
        parts.extend(ratio.map(|ratio| part(ratio, name, goal)));
    };
    if key.mib != SMALL && FLAT_CASES.contains(&key.case.as_str()) {
        add(&key.case, SMALL, key.in_flight, "itself at 5 MB", Some(FLAT));
    }
    if key.case == "live" && key.in_flight > 1 {
        add("live", key.mib, 1, "itself with one", Some(FLAT));
    }
    if key.case == "first-byte-spare/burst" {
        add("first-byte-spare/burst-without", key.mib, key.in_flight, "itself without spares", None);
    }
    if key.case.starts_with("preload/") {
        add("run", SMALL, 1, "itself without", None);
    }
    parts
}

fn part(ratio: f64, of: &str, goal: Option<Goal>) -> String {
    let goal = goal.map_or_else(String::new, |goal| {
        let reached = if goal.is_reached(ratio) { "reached" } else { "NOT reached" };
        format!(" (goal: {goal}, {reached})")
    });
    let digits = if ratio < 10.0 { 2 } else { 0 };
    format!("{ratio:.digits$} of {of}{goal}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Reply;

    fn measured(figures: &[(&str, &str, u64, usize, [f64; 3])]) -> Measured {
        let mut measured = Measured::default();
        for (case, system, mib, in_flight, rates) in figures {
            let key = Key { case: (*case).into(), system: (*system).into(), mib: *mib, in_flight: *in_flight };
            rates.iter().for_each(|rate| measured.add(&key, &Reply::Rate(*rate)));
        }
        measured
    }

    #[test]
    fn a_ratio_stands_beside_its_goal() {
        let lines = lines(&measured(&[
            ("run", "anyfork", 5, 1, [90.0, 200.0, 380.0]),
            ("run", "limit-forkloop", 5, 1, [100.0, 200.0, 400.0]),
            ("run", "AnyEvent::Fork", 5, 1, [45.0, 100.0, 190.0]),
            ("run", "std", 5, 16, [1.0, 1.0, 1.0]),
        ]));
        let wanted = "run, 5 MB, 1 in flight, rate: 2.00 of AnyEvent::Fork (goal: at least 3, NOT reached); \
                      0.95 of limit-forkloop (goal: at least 0.95, reached)";
        assert_eq!(lines, [wanted]);
    }

    #[test]
    fn big_programs_and_many_workers_are_compared_with_few() {
        let lines = lines(&measured(&[
            ("command", "anyfork", 5, 1, [100.0, 200.0, 400.0]),
            ("command", "anyfork", 2000, 1, [90.0, 180.0, 360.0]),
            ("live", "anyfork", 5, 1, [100.0; 3]),
            ("live", "anyfork", 5, 1000, [98.0; 3]),
        ]));
        assert_eq!(
            lines[0],
            "command, 2000 MB, 1 in flight, rate: 0.90 of itself at 5 MB (goal: at least 0.95, NOT reached)"
        );
        assert_eq!(
            lines[1],
            "live, 5 MB, 1000 in flight, rate: 0.98 of itself with one (goal: at least 0.95, reached)"
        );
    }
}
