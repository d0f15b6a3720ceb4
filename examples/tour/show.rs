//! What the tour prints: headings, times, the process tree, exit statuses.

use crate::Result;
use anyfork::Worker;
use anyfork_examples::process_tree;
use std::fmt;
use std::time::Duration;

pub(crate) fn section(title: &str) {
    println!("\n{title}\n{}\n", "-".repeat(title.len()));
}

/// How long something took, several times.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }
}

/// The extremes and the median.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.0.clone();
        times.sort_unstable();
        let (Some(least), Some(most)) = (times.first(), times.last()) else { return f.write_str("none") };
        write!(f, "{:.2?} (from {least:.2?} to {most:.2?})", times[times.len() / 2])
    }
}

/// This program and what is below it.
pub(crate) fn tree() -> Result<()> {
    for (depth, process) in process_tree(std::process::id())? {
        println!("  {:>7}  {}{}", process.pid, "   ".repeat(depth), process.title);
    }
    Ok(())
}

/// Ends the workers by closing their sockets, and prints how each ended and what it used.
pub(crate) fn statuses(workers: Vec<Worker>) -> Result<()> {
    println!("  {:>7}  {:<16} {:>9} {:>12}", "worker", "status", "CPU time", "peak memory");
    // The ends can be waited for without the handles, which close the sockets when they go.
    let ends: Vec<_> = workers.iter().map(|worker| (worker.pid(), worker.exited())).collect();
    drop(workers);
    for (pid, end) in ends {
        let status = end.wait()?;
        let usage = status.usage().ok_or("the template is gone, and the usage with it")?;
        let cpu = format!("{:.1?}", usage.user + usage.system);
        let megabytes = usage.peak_memory as f64 / 1e6;
        println!("  {pid:>7}  {:<16} {cpu:>9} {megabytes:>9.1} MB", status.to_string());
    }
    println!("\nPeak memory counts what is shared with the template.");
    Ok(())
}
