//! Where anyfork is not the best.

use crate::names::{Measure, is_ours, measure, quantile};
use crate::row::Row;

/// A line for each row of another system that has a better median than anyfork's row beside it. Nobody (`idle`) is no system.
pub(super) fn lines(rows: &[Row]) -> Vec<String> {
    let ours = rows.iter().filter(|row| row.system == "anyfork");
    ours.flat_map(|ours| rows.iter().filter(move |other| is_beside(ours, other)).filter_map(|other| line(ours, other)))
        .collect()
}

fn is_beside(ours: &Row, other: &Row) -> bool {
    let place = |row: &Row| (row.case.clone(), row.parent_mib, row.in_flight);
    place(ours) == place(other) && !is_ours(&other.system) && other.system != "idle"
}

fn line(ours: &Row, other: &Row) -> Option<String> {
    let measure = measure(&ours.case);
    let (value, unit): (fn(&Row) -> Option<f64>, _) = match measure {
        Measure::Rate => (|row| row.per_second, "per second"),
        Measure::Latency if quantile(&ours.case) > 0.5 => (|row| row.p99_us, "us (p99)"),
        Measure::Latency => (|row| row.p50_us, "us"),
        Measure::Memory => (|row| row.kib.map(|kib| kib as f64), "KiB"),
    };
    let (our, their) = (value(ours)?, value(other)?);
    let loses = if measure == Measure::Rate { their > our } else { their < our };
    let Row { case, parent_mib, in_flight, .. } = ours;
    let place = format!("{case}, {parent_mib} MB, {in_flight} in flight");
    loses.then(|| format!("{place}: {} {their:.0} {unit}, anyfork {our:.0}", other.system))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, system: &str, per_second: Option<f64>, p50_us: Option<f64>) -> Row {
        Row {
            case: case.into(),
            system: system.into(),
            parent_mib: 5,
            in_flight: 1,
            per_second,
            p50_us,
            p99_us: None,
            p999_us: None,
            kib: None,
            rounds: 3,
            spread: None,
        }
    }

    #[test]
    fn a_better_rate_is_a_higher_one_and_a_better_latency_a_lower_one() {
        let lines = lines(&[
            row("command", "anyfork", Some(90.0), None),
            row("command", "std", Some(100.0), None),
            row("command", "tokio", Some(80.0), None),
            row("first-byte", "anyfork", Some(1.0), Some(200.0)),
            row("first-byte", "std", Some(2.0), Some(900.0)),
            row("first-byte", "zygote", Some(0.5), Some(100.0)),
        ]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("command, 5 MB, 1 in flight: std 100"), "{lines:?}");
        assert!(lines[1].contains("zygote 100 us, anyfork 200"), "{lines:?}");
    }
}
