//! Many processes for a long time, with faults, watched from outside: `cargo xtask soak`.
//!
//! An observer starts the program under test, this one again as its *subject*, once for each soak, and looks at it and at its
//! processes as the kernel shows them. What must hold is an [oracle](oracle::Oracle): each is told by its name if it does not.

mod family;
mod growth;
mod observer;
mod options;
mod oracle;
mod plan;
mod program;
mod progress;
mod report;
mod slope;
mod snapshot;
mod subject;
mod words;
mod zombies;

use options::{Options, Task};
use report::Report;
use std::process::ExitCode;

fn main() -> ExitCode {
    match options::parse() {
        Task::Subject(task) => subject::run(&task),
        Task::Observe(options) => observe(&options),
    }
}

fn observe(options: &Options) -> ExitCode {
    println!("seed {}, {} workers", options.seed, report::grouped(options.workers));
    let mut reports = Vec::new();
    for task in plan::tasks(options) {
        match plan::why_not(&task) {
            Some(why) => skip(&task.soak.to_string(), why),
            None => {
                let report = observer::watch(&task);
                print!("{report}");
                reports.push(report);
            }
        }
    }
    if let Some(file) = &options.json
        && let Err(error) = report::write(file, &reports)
    {
        eprintln!("soak: {}: {error}", file.display());
        return ExitCode::FAILURE;
    }
    verdict(&reports)
}

/// Where everything is required, what cannot run is a failure.
fn skip(soak: &str, why: &str) {
    let all = std::env::var("ANYFORK_REQUIRE_ALL").is_ok_and(|all| all == "1");
    assert!(!all, "{soak} is skipped, and ANYFORK_REQUIRE_ALL is set: {why}");
    println!("\n{soak}: skipped: {why}");
}

fn verdict(reports: &[Report]) -> ExitCode {
    let troubles: Vec<String> = reports.iter().flat_map(Report::troubles).collect();
    if troubles.is_empty() {
        println!("\nnothing was lost");
        return ExitCode::SUCCESS;
    }
    println!("\nwhat does not hold");
    troubles.iter().for_each(|trouble| println!("  {trouble}"));
    ExitCode::FAILURE
}
