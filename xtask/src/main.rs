//! `cargo xtask test`: everything the project checks, as one command.

mod python;
mod steps;
mod system;

use clap::{Arg, ArgAction, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match arguments().get_matches().subcommand() {
        Some(("test", options)) => test(options.get_flag("skip-fallbacks")),
        _ => unreachable!("clap requires one of the subcommands"),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nxtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn test(skip_fallbacks: bool) -> Result<(), String> {
    system::prepare()?;
    steps::run_all(&steps::all(skip_fallbacks))
}

fn arguments() -> Command {
    let skip_fallbacks = Arg::new("skip-fallbacks")
        .long("skip-fallbacks")
        .action(ArgAction::SetTrue)
        .help("Leave out the runs in which a facility of the kernel is treated as missing");
    Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("Tasks of this workspace")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("test")
                .about("Runs everything the project checks, and stops at the first failure")
                .arg(skip_fallbacks),
        )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_arguments_are_consistent() {
        super::arguments().debug_assert();
    }
}
