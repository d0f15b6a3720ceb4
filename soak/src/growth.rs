//! The memory of those that stay, over what has been started.

use crate::family;
use crate::oracle::Oracle;
use crate::report::Report;
use crate::slope::Series;
use crate::snapshot::Residents;
use std::collections::BTreeMap;

/// One part in so many is there to warm up.
const WARM_UP: u64 = 10;

/// By name and number: a process that is replaced begins anew.
#[derive(Debug, Default)]
pub(crate) struct Growth(BTreeMap<(&'static str, u32), Series>);

impl Growth {
    pub(crate) fn look(&mut self, count: u64, residents: &Residents) {
        for (name, pid) in residents {
            if let Some(bytes) = family::memory(*pid) {
                self.0.entry((name, *pid)).or_default().add(count, bytes);
            }
        }
    }

    /// Of those that were there from the beginning to the end, as far as anything can be told.
    pub(crate) fn tell(&self, workers: u64, report: &mut Report) {
        for ((name, _), series) in &self.0 {
            let series = series.after(workers / WARM_UP);
            let Some(slope) = series.slope().filter(|_| series.span() > 0.5 * workers as f64) else { continue };
            report.figure(format!("bytes for each creation in the {name}"), slope);
            report.figure(format!("bytes that the {name} has grown by"), series.grown());
            if series.leaks() {
                let grown = series.grown();
                report.trouble(
                    Oracle::Memory,
                    format!("the {name} grows by {slope:.2} bytes for each creation, {grown} in all"),
                );
            }
        }
    }
}
