//! `cargo xtask test`: everything the project checks, as one command. `cargo xtask bench`: the comparison with other systems.
//! `cargo xtask soak`: a million workers, with faults.
//! `cargo xtask fuzz`: inputs that nobody has thought of.

mod bench;
mod fuzz;
mod python;
mod soak;
mod steps;
mod system;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match arguments().get_matches().subcommand() {
        Some(("test", options)) => test(options.get_flag("skip-fallbacks")),
        Some(("bench", options)) => bench::run(&passed_on(options)),
        Some(("soak", options)) => soak::run(&passed_on(options)),
        Some(("fuzz", options)) => {
            let targets: Vec<&str> = options.get_many("target").into_iter().flatten().map(String::as_str).collect();
            let targets = if targets.is_empty() { &fuzz::TARGETS[..] } else { &targets };
            fuzz::run(targets, options.get_one("minutes").copied().unwrap_or(5), options.get_flag("keep"))
        }
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

fn passed_on(options: &ArgMatches) -> Vec<&OsString> {
    options.get_many("arguments").into_iter().flatten().collect()
}

fn arguments() -> Command {
    let skip_fallbacks = Arg::new("skip-fallbacks")
        .long("skip-fallbacks")
        .action(ArgAction::SetTrue)
        .help("Leave out the runs in which a facility of the kernel is treated as missing");
    let arguments = Arg::new("arguments")
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true)
        .value_parser(value_parser!(OsString));
    let of_bench = "For the comparison: --quick, --full, --case NAME, --system NAME, --json FILE, --charts DIR";
    let of_soak =
        "For the soak: --short, --workers N, --faults-every N, --seconds N, --seed N, --soak NAME, --json FILE";
    let target =
        Arg::new("target").num_args(0..).value_parser(fuzz::TARGETS).help("Some of them; all if none is named");
    let minutes = Arg::new("minutes")
        .long("minutes")
        .value_parser(value_parser!(u32))
        .help("How long each is fuzzed; 5 if it is not said");
    let keep = Arg::new("keep")
        .long("keep")
        .action(ArgAction::SetTrue)
        .help("Put what is new into fuzz/corpus, which the tests replay");
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
        .subcommand(
            Command::new("bench")
                .about("Compares anyfork with other systems, on this machine; `bench --help` tells more")
                .disable_help_flag(true)
                .arg(arguments.clone().help(of_bench)),
        )
        .subcommand(
            Command::new("soak")
                .about("Starts a million workers, with faults, and then runs the tests that take long; `soak --help` tells more")
                .disable_help_flag(true)
                .arg(arguments.help(of_soak)),
        )
        .subcommand(
            Command::new("fuzz")
                .about(
                    "Fuzzes what reads octets, and a real template (as root); takes a nightly compiler and cargo-fuzz",
                )
                .args([target, minutes, keep]),
        )
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    #[test]
    fn what_is_for_the_comparison_goes_through_as_it_is() {
        let line = ["xtask", "bench", "--help", "--quick", "--case", "run"];
        let matches = super::arguments().try_get_matches_from(line).expect("they are no business of xtask");
        let matches = matches.subcommand_matches("bench").expect("the subcommand");
        let through: Vec<_> = matches.get_many::<OsString>("arguments").expect("arguments").collect();
        assert_eq!(through, ["--help", "--quick", "--case", "run"]);
    }

    #[test]
    fn the_arguments_are_consistent() {
        super::arguments().debug_assert();
    }
}
