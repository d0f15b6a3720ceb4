//! Compares anyfork with what else starts processes, on the machine where it runs: `cargo xtask bench`.
//!
//! A driver asks one process per language and size of the main program, its *subjects*, to measure, in turns.

mod charts;
mod driver;
mod goals;
mod limits;
mod machine;
mod memory;
mod names;
mod options;
mod plan;
mod report;
mod row;
mod series;
mod statistics;
mod subject;
mod subjects;
mod system;
mod wire;

use options::{Options, Task};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Both do their work and never come back if this is a worker of theirs.
    procspawn::init();
    if subject::run_own_part() {
        return ExitCode::SUCCESS;
    }
    let result = match options::parse() {
        Task::Subject(mib) => {
            subject::serve(mib);
            Ok(())
        }
        Task::Charts { from, charts } => charts_again(&from, &charts),
        Task::Compare(options) => compare(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("compare: {message}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<(), String> {
    // What cannot be written is to be known before anything is measured.
    let json = options.json.as_ref().map(|file| create(file).map(|open| (file, open))).transpose()?;
    options.charts.as_ref().map(|directory| create_directory(directory)).transpose()?;
    let machine = machine::describe();
    println!("{machine}");
    let measured = driver::measure(options)?;
    let rows = measured.rows();
    report::print(&measured, &rows);
    if let Some((file, open)) = json {
        row::write(BufWriter::new(open), &rows).map_err(|error| format!("{}: {error}", file.display()))?;
        let notes = machine::notes_of(file);
        std::fs::write(&notes, &machine).map_err(|error| format!("{}: {error}", notes.display()))?;
    }
    options.charts.as_ref().map_or(Ok(()), |directory| charts::draw(&rows, &machine, directory))
}

/// From a file of an earlier run, with what it noted about the machine beside it.
fn charts_again(from: &Path, directory: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(from).map_err(|error| format!("{}: {error}", from.display()))?;
    let rows = row::read(&text).map_err(|error| format!("{}: {error}", from.display()))?;
    create_directory(directory)?;
    let machine = std::fs::read_to_string(machine::notes_of(from)).unwrap_or_default();
    charts::draw(&rows, &machine, directory)
}

fn create(file: &Path) -> Result<File, String> {
    File::create(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn create_directory(directory: &Path) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}
