//! What the rounds gave, by case, system, size and how many were in flight.

use crate::names::{CASES, Measure, family, measure, place, quantile};
use crate::row::Row;
use crate::statistics::{median, spread};
use crate::wire::{MEMORY, Reply};
use hdrhistogram::Histogram;

/// Fewer values say nothing about one in a hundred; ten times as many are needed for one in a thousand.
const FOR_P99: u64 = 100;

/// Where a measurement belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) case: String,
    pub(crate) system: String,
    pub(crate) mib: u64,
    pub(crate) in_flight: usize,
}

/// The rounds of one measurement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    /// Per second.
    pub(crate) rates: Vec<f64>,
    /// The latency of each round at the quantile that the case is about, in microseconds.
    pub(crate) latencies: Vec<f64>,
    pub(crate) kib: Vec<f64>,
    /// Nanoseconds.
    histogram: Option<Histogram<u64>>,
}

/// Everything that was measured, and what could not be.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    series: Vec<(Key, Series)>,
    /// What to say about what is not there.
    pub(crate) remarks: Vec<String>,
}

impl Key {
    fn of_part(&self, part: &str) -> Key {
        Key { case: format!("{}/{part}", self.case), ..self.clone() }
    }

    /// In the order of the table, but for the parts of a case.
    fn order(&self, part: usize) -> (usize, usize, u64, usize, usize) {
        let case = CASES.iter().position(|case| case.name == family(&self.case));
        (case.unwrap_or(CASES.len()), part, self.mib, self.in_flight, place(&self.system))
    }
}

impl Series {
    /// What the case is about, of each round.
    pub(crate) fn primary(&self, case: &str) -> &[f64] {
        match measure(case) {
            Measure::Rate => &self.rates,
            Measure::Latency => &self.latencies,
            Measure::Memory => &self.kib,
        }
    }

    fn add_latencies(&mut self, values: &[(u64, u64)], quantile: f64) {
        let new = || Histogram::new_with_max(60_000_000_000, 3).expect("a minute with three digits");
        let (mut round, all) = (new(), self.histogram.get_or_insert_with(new));
        for &(value, count) in values {
            round.saturating_record_n(value, count);
            all.saturating_record_n(value, count);
        }
        self.latencies.push(round.value_at_quantile(quantile) as f64 / 1000.0);
    }

    fn micros_at(&self, quantile: f64, fewest: u64) -> Option<f64> {
        let histogram = self.histogram.as_ref().filter(|histogram| histogram.len() >= fewest)?;
        Some(rounded(histogram.value_at_quantile(quantile) as f64 / 1000.0))
    }
}

impl Measured {
    /// Adds what a round gave; of the latencies' own rate, only if nothing else has told the rate.
    pub(crate) fn add(&mut self, key: &Key, reply: &Reply) {
        match reply {
            Reply::Rate(rate) => self.at(key).rates.push(*rate),
            Reply::Latencies(_, values) => self.at(key).add_latencies(values, quantile(&key.case)),
            Reply::Memory(figures) => {
                for (part, kib) in MEMORY.iter().zip(figures) {
                    kib.iter().for_each(|kib| self.at(&key.of_part(part)).kib.push(*kib as f64));
                }
            }
            Reply::Absent | Reply::Failed(_) => {}
        }
    }

    fn at(&mut self, key: &Key) -> &mut Series {
        let known = self.series.iter().position(|(known, _)| known == key);
        let index = known.unwrap_or_else(|| {
            self.series.push((key.clone(), Series::default()));
            self.series.len() - 1
        });
        &mut self.series[index].1
    }

    /// Nothing is told of what failed in a round.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.series.retain(|(known, _)| known != key);
    }

    /// Everything, in the order of the table.
    pub(crate) fn in_order(&self) -> Vec<(&Key, &Series)> {
        let mut all: Vec<_> = self.series.iter().map(|(key, series)| (key, series)).collect();
        // Parts as they were measured.
        let part = |key: &Key| self.series.iter().position(|(known, _)| known.case == key.case).unwrap_or_default();
        all.sort_by_key(|(key, _)| key.order(part(key)));
        all
    }

    /// One of them.
    pub(crate) fn get(&self, case: &str, system: &str, mib: u64, in_flight: usize) -> Option<&Series> {
        let wanted = Key { case: case.into(), system: system.into(), mib, in_flight };
        self.series.iter().find(|(key, _)| *key == wanted).map(|(_, series)| series)
    }

    /// What is printed and written.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.in_order().into_iter().map(|(key, series)| row(key, series)).collect()
    }
}

fn row(key: &Key, series: &Series) -> Row {
    let primary = series.primary(&key.case);
    Row {
        case: key.case.clone(),
        system: key.system.clone(),
        parent_mib: key.mib,
        in_flight: key.in_flight as u64,
        per_second: median(&series.rates).map(rounded),
        p50_us: series.micros_at(0.5, 1),
        p99_us: series.micros_at(0.99, FOR_P99),
        p999_us: series.micros_at(0.999, FOR_P99 * 10),
        kib: median(&series.kib).map(|kib| kib.round() as u64),
        rounds: primary.len() as u64,
        spread: spread(primary).map(|spread| (spread * 1000.0).round() / 1000.0),
    }
}

/// To a tenth.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(case: &str) -> Key {
        Key { case: case.into(), system: "anyfork".into(), mib: 5, in_flight: 1 }
    }

    #[test]
    fn quantiles_are_of_all_rounds_and_the_spread_is_of_the_rounds() {
        let mut measured = Measured::default();
        for round in 1..=4 {
            measured.add(&key("first-byte"), &Reply::Rate(100.0));
            measured.add(&key("first-byte"), &Reply::Latencies(50.0, vec![(round * 100_000, 30)]));
        }
        let [row] = measured.rows().try_into().expect("one row");
        assert_eq!((row.per_second, row.rounds), (Some(100.0), 4));
        // Three digits.
        assert!(row.p50_us.is_some_and(|p50| (199.0..202.0).contains(&p50)), "{row:?}");
        assert!(row.p99_us.is_some_and(|p99| (399.0..402.0).contains(&p99)), "{row:?}");
        assert_eq!(row.p999_us, None, "120 values are too few");
        assert!(row.spread.is_some_and(|spread| spread > 0.3), "{row:?}");
    }

    #[test]
    fn memory_has_a_row_for_each_part_that_is_known() {
        let mut measured = Measured::default();
        measured.add(&key("idle-memory"), &Reply::Memory([Some(100), None, Some(50), None, None]));
        let rows = measured.rows();
        let parts: Vec<_> = rows.iter().map(|row| (row.case.as_str(), row.kib)).collect();
        assert_eq!(parts, [("idle-memory/template-private", Some(100)), ("idle-memory/worker-private", Some(50))]);
    }
}
