//! What a soak has shown: figures, and what does not hold.

use crate::oracle::Oracle;
use crate::plan::Soak;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// So many of one kind are told in full.
const TOLD: usize = 3;

/// Of one soak.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) soak: Soak,
    /// By name, in the order in which they came.
    figures: Vec<(String, f64)>,
    troubles: BTreeMap<Oracle, Vec<String>>,
}

impl Report {
    pub(crate) fn new(soak: Soak) -> Self {
        Report { soak, figures: Vec::new(), troubles: BTreeMap::new() }
    }

    pub(crate) fn figure(&mut self, name: impl Into<String>, value: f64) {
        self.figures.push((name.into(), value));
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// Something that should not be.
    pub(crate) fn trouble(&mut self, oracle: Oracle, what: impl Into<String>) {
        self.troubles.entry(oracle).or_default().push(what.into());
    }

    /// A line each.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let lines = self.troubles.iter().flat_map(|(oracle, what)| {
            let more = (what.len() > TOLD).then(|| format!("and {} more", what.len() - TOLD));
            let told: Vec<String> = what.iter().take(TOLD).cloned().chain(more).collect();
            told.into_iter().map(move |what| format!("{}: {oracle}: {what}", self.soak))
        });
        lines.collect()
    }

    fn json(&self) -> Value {
        let figures: Map<String, Value> =
            self.figures.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let troubles: Map<String, Value> =
            self.troubles.iter().map(|(oracle, what)| (oracle.to_string(), json!(what))).collect();
        json!({ "soak": self.soak.to_string(), "figures": figures, "troubles": troubles })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.soak)?;
        for (name, value) in &self.figures {
            writeln!(f, "  {name:<58} {:>12}", shown(*value))?;
        }
        Ok(())
    }
}

/// With decimals where they matter.
fn shown(value: f64) -> String {
    if value.fract() == 0.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", grouped(value.abs() as u64));
    }
    if value.abs() < 10.0 { format!("{value:.3}") } else { format!("{value:.1}") }
}

/// Digits, with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// All of them, as JSON.
pub(crate) fn write(file: &Path, reports: &[Report]) -> std::io::Result<()> {
    let reports: Vec<Value> = reports.iter().map(Report::json).collect();
    std::fs::write(file, format!("{:#}\n", Value::from(reports)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(shown(1_234_567.0), "1,234,567");
        assert_eq!(shown(-4096.0), "-4,096");
        assert_eq!(shown(0.0123), "0.012");
        assert_eq!(shown(12.34), "12.3");
    }

    #[test]
    fn many_troubles_are_few_lines() {
        let mut report = Report::new(Soak::Plain);
        (0..10).for_each(|number| report.trouble(Oracle::Lost, format!("worker {number}")));
        report.trouble(Oracle::Left, "one");
        let lines = report.troubles();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[3], "plain: lost: and 7 more");
        assert_eq!(lines[4], "plain: left: one");
    }
}
