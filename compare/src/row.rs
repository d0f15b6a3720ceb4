//! A result: what is printed, written as JSON, and drawn.

use serde::{Deserialize, Serialize};
use std::io::Write;

/// One system in one case. What there is not is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) system: String,
    /// Resident in the main program.
    pub(crate) parent_mib: u64,
    /// In the case `live`: how many workers live.
    pub(crate) in_flight: u64,
    /// Median of the rounds. For latencies: one after another, as fast as it goes.
    pub(crate) per_second: Option<f64>,
    /// Of all rounds together, as long as there are enough values to speak of.
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) p999_us: Option<f64>,
    pub(crate) kib: Option<u64>,
    pub(crate) rounds: u64,
    /// From the lower to the upper quartile of the rounds, as a part of the median.
    pub(crate) spread: Option<f64>,
}

pub(crate) fn write(mut to: impl Write, rows: &[Row]) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut to, rows)?;
    writeln!(to)?;
    to.flush()
}

pub(crate) fn read(text: &str) -> Result<Vec<Row>, serde_json::Error> {
    serde_json::from_str(text)
}
