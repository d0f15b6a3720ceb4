//! What is asked for on the command line.

use crate::plan::{Soak, Task as Subject};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use std::time::Duration;

/// How many workers the plain soak has, if nothing is said; the others in proportion.
const WORKERS: u64 = 1_000_000;
const SHORT: u64 = 100_000;

/// What is to be observed.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) workers: u64,
    pub(crate) short: bool,
    pub(crate) faults_every: u64,
    /// Of each soak.
    pub(crate) seconds: Option<u64>,
    pub(crate) seed: u64,
    /// Empty for all.
    pub(crate) soaks: Vec<Soak>,
    /// How long is waited for a status that does not come.
    pub(crate) patience: Duration,
    pub(crate) json: Option<PathBuf>,
}

/// What the program is to do.
#[derive(Debug)]
pub(crate) enum Task {
    Observe(Options),
    /// Not for users: be the program under test.
    Subject(Subject),
}

/// Reads the command line; ends the program if there is nothing to do.
pub(crate) fn parse() -> Task {
    let matches = command().get_matches();
    match matches.subcommand_matches("subject") {
        Some(matches) => Task::Subject(matches.get_one::<Subject>("task").cloned().expect("clap requires it")),
        None => Task::Observe(options(&matches)),
    }
}

fn options(matches: &ArgMatches) -> Options {
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let short = matches.get_flag("short");
    Options {
        workers: number("workers").unwrap_or(if short { SHORT } else { WORKERS }),
        short,
        faults_every: number("faults-every").unwrap_or(100),
        seconds: number("seconds"),
        seed: number("seed").unwrap_or_else(|| fastrand::u64(..1 << 32)),
        soaks: matches.get_many("soak").into_iter().flatten().copied().collect(),
        patience: Duration::from_secs(number("patience").unwrap_or(30)),
        json: matches.get_one("json").cloned(),
    }
}

fn command() -> Command {
    let number =
        |name: &'static str| Arg::new(name).long(name).value_name("N").value_parser(value_parser!(u64).range(1..));
    let short = Arg::new("short").long("short").action(ArgAction::SetTrue);
    let soak = Arg::new("soak").long("soak").value_name("NAME").action(ArgAction::Append);
    let json = Arg::new("json").long("json").value_name("FILE").value_parser(value_parser!(PathBuf));
    Command::new("soak")
        .about("Starts processes by the million, with faults, and looks whether one is lost or something stays behind")
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .arg(
            number("workers")
                .help("Of the plain soak; the others have as many or fewer in proportion [default: 1000000]"),
        )
        .arg(short.help("A minute: 100,000 workers, and fewer of what takes longer"))
        .arg(number("faults-every").help("A random fault for about so many workers [default: 100]"))
        .arg(number("seconds").help("End each soak after so many seconds, however many workers it has had"))
        .arg(number("seed").help("Of the faults; each run says its own"))
        .arg(soak.value_parser(|name: &str| name.parse::<Soak>()).help("Only this one (may be given several times)"))
        .arg(number("patience").hide(true))
        .arg(json.help("Write the figures as an array of objects"))
        .subcommand(
            Command::new("subject")
                .hide(true)
                .arg(Arg::new("task").required(true).value_parser(|text: &str| text.parse::<Subject>())),
        )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_arguments_are_consistent() {
        super::command().debug_assert();
    }
}
