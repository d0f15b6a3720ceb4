//! The table on the terminal.

use crate::names::{family, what};
use crate::row::Row;
use std::fmt::Write;

/// A section for each case.
pub(super) fn text(rows: &[Row]) -> String {
    let (mut text, mut last) = (String::new(), "");
    for row in rows {
        if family(&row.case) != last {
            last = family(&row.case);
            let _ = write!(text, "\n{last}: {}\n{}", what(last), line(&HEADER.map(str::to_owned)));
        }
        text += &line(&cells(row));
    }
    text
}

const HEADER: [&str; 11] =
    ["case", "system", "main MB", "in flight", "per second", "p50 us", "p99 us", "p99.9 us", "KiB", "rounds", "spread"];

fn cells(row: &Row) -> [String; 11] {
    let spread = row.spread.map_or_else(|| "-".into(), |spread| format!("{:.0} %", spread * 100.0));
    [
        row.case.clone(),
        row.system.clone(),
        row.parent_mib.to_string(),
        row.in_flight.to_string(),
        figure(row.per_second),
        figure(row.p50_us),
        figure(row.p99_us),
        figure(row.p999_us),
        row.kib.map_or_else(|| "-".into(), |kib| grouped(&kib.to_string())),
        row.rounds.to_string(),
        spread,
    ]
}

/// With a decimal where it matters.
fn figure(value: Option<f64>) -> String {
    match value {
        Some(value) if value < 100.0 => format!("{value:.1}"),
        Some(value) => grouped(&format!("{value:.0}")),
        None => "-".into(),
    }
}

/// Digits, with a comma between thousands.
pub(crate) fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn line(cells: &[String; 11]) -> String {
    let [case, system, rest @ ..] = cells;
    let mut line = format!("  {case:<33} {system:<17}");
    for (cell, width) in rest.iter().zip([7, 9, 10, 9, 9, 10, 8, 6, 6]) {
        let _ = write!(line, " {cell:>width$}");
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(super::grouped("1234567"), "1,234,567");
        assert_eq!(super::grouped("123"), "123");
        assert_eq!(super::figure(Some(9.87)), "9.9");
        assert_eq!(super::figure(None), "-");
    }
}
