//! The memory of those that stay, over what has been started.

use crate::family;
use crate::oracle::Oracle;
use crate::plan::Soak;
use crate::report::Report;
use crate::slope::Series;
use crate::snapshot::Residents;
use std::collections::BTreeMap;

/// One part in so many is there to warm up, but so many workers at least.
const WARM_UP: u64 = 10;
const FEWEST: u64 = 2000;

/// Bytes that are no leak: pages that are touched late, and pieces that stay free between others. Measured on a busy machine: 45,056 at most in some
/// hundred runs.
const ALLOWANCE: f64 = 65_536.0;

/// For external programs, as their template has a stack for each that is on its way to its exec, and keeps some. Measured: 77,824.
const WITH_STACKS: f64 = 131_072.0;

/// By name and number: a process that is replaced begins anew.
#[derive(Debug)]
pub(crate) struct Growth {
    series: BTreeMap<(&'static str, u32), Series>,
    allowance: f64,
}

impl Growth {
    /// `None` where the number of live processes grows, and with it memory.
    pub(crate) fn of(soak: Soak) -> Option<Self> {
        let allowance = match soak {
            Soak::Live => return None,
            Soak::Programs => WITH_STACKS,
            _ => ALLOWANCE,
        };
        Some(Growth { series: BTreeMap::new(), allowance })
    }

    /// Of use only while nothing is in flight.
    pub(crate) fn look(&mut self, count: u64, residents: &Residents) {
        for (name, pid) in residents {
            if let Some(bytes) = family::memory(*pid) {
                self.series.entry((name, *pid)).or_default().add(count, bytes);
            }
        }
    }

    /// Of those that were there from the beginning to the end, if it was long enough for anything to be told.
    pub(crate) fn tell(&self, workers: u64, report: &mut Report) {
        for ((name, _), series) in &self.series {
            let series = series.after(FEWEST.max(workers / WARM_UP));
            let is_long = series.span() >= (workers as f64 / 2.0).max(FEWEST as f64);
            let Some(slope) = series.slope().filter(|_| is_long) else { continue };
            report.figure(format!("bytes for each creation in the {name}"), slope);
            report.figure(format!("bytes that the {name} has grown by"), series.grown());
            if series.leaks(self.allowance) {
                let grown = series.grown();
                report.trouble(
                    Oracle::Memory,
                    format!("the {name} grows by {slope:.2} bytes for each creation, {grown} in all"),
                );
            }
        }
    }
}
