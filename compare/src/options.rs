//! What is asked for on the command line.

use crate::names::{known_case, known_system};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Quick,
    Usual,
    Full,
}

impl Extent {
    pub(crate) fn rounds(self) -> usize {
        match self {
            Extent::Quick => 3,
            Extent::Usual | Extent::Full => 11,
        }
    }

    /// Of one measurement in one round.
    pub(crate) fn turn(self) -> Duration {
        Duration::from_millis(match self {
            Extent::Quick => 30,
            Extent::Usual => 120,
            Extent::Full => 200,
        })
    }

    /// Megabytes resident in the main program.
    pub(crate) fn sizes(self) -> &'static [u64] {
        match self {
            Extent::Quick => &[5, 2000],
            Extent::Usual => &[5, 200, 2000],
            Extent::Full => &[5, 200, 2000, 8000],
        }
    }

    /// The largest main program in another language than Rust: filling its memory takes longer than measuring.
    pub(crate) fn largest_script(self) -> u64 {
        match self {
            Extent::Quick => 5,
            _ => 2000,
        }
    }

    /// Live workers.
    pub(crate) fn live(self) -> &'static [u64] {
        match self {
            Extent::Full => &[1, 1000, 10_000],
            _ => &[1, 1000],
        }
    }
}

/// A comparison.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) extent: Extent,
    pub(crate) rounds: usize,
    /// Empty for all.
    pub(crate) cases: Vec<String>,
    /// Empty for all.
    pub(crate) systems: Vec<String>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) charts: Option<PathBuf>,
}

/// What the program is to do.
#[derive(Debug)]
pub(crate) enum Task {
    Compare(Options),
    Charts {
        from: PathBuf,
        charts: PathBuf,
    },
    /// Not for users: measure what standard input says, with so many megabytes resident.
    Subject(u64),
}

/// Reads the command line; ends the program if there is nothing to do.
pub(crate) fn parse() -> Task {
    match command().get_matches() {
        matches if matches.subcommand_name() == Some("charts") => {
            let matches = matches.subcommand_matches("charts").expect("its name was just asked for");
            let path = |name: &str| matches.get_one::<PathBuf>(name).cloned().expect("clap requires it");
            Task::Charts { from: path("from"), charts: path("charts") }
        }
        matches if matches.subcommand_name() == Some("subject") => {
            let matches = matches.subcommand_matches("subject").expect("its name was just asked for");
            Task::Subject(matches.get_one("mib").copied().unwrap_or_default())
        }
        matches => Task::Compare(options(&matches)),
    }
}

fn options(matches: &ArgMatches) -> Options {
    let extent = match (matches.get_flag("quick"), matches.get_flag("full")) {
        (true, _) => Extent::Quick,
        (_, true) => Extent::Full,
        _ => Extent::Usual,
    };
    let rounds = matches.get_one("rounds").copied().unwrap_or(extent.rounds());
    let many = |name: &str| matches.get_many(name).into_iter().flatten().cloned().collect();
    let path = |name: &str| matches.get_one(name).cloned();
    Options { extent, rounds, cases: many("case"), systems: many("system"), json: path("json"), charts: path("charts") }
}

fn command() -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let names = |name: &'static str| Arg::new(name).long(name).value_name("NAME").action(ArgAction::Append);
    let path =
        |name: &'static str, value| Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf));
    let charts = path("charts", "DIR").help("Draw charts (SVG, for light and dark grounds) into this directory");
    let from = path("from", "FILE").required(true).help("What --json has written");
    let rounds = Arg::new("rounds").long("rounds").hide(true).value_parser(value_parser!(usize));
    let mib = Arg::new("mib").required(true).value_parser(value_parser!(u64));
    Command::new("compare")
        .about("Compares anyfork with what else starts processes, on this machine")
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .arg(
            flag("quick")
                .conflicts_with("full")
                .help("Less than a minute: fewer rounds, two sizes of the main program"),
        )
        .arg(flag("full").help("All sizes up to 8,000 MB, 10,000 live workers, longer rounds"))
        .arg(names("case").value_parser(known_case).help("Only this case (may be given several times)"))
        .arg(names("system").value_parser(known_system).help("Only this system (may be given several times)"))
        .arg(path("json", "FILE").help("Write what was measured as an array of objects"))
        .arg(charts.clone())
        .arg(rounds)
        .subcommand(Command::new("charts").about("Draws the charts again").arg(from).arg(charts.required(true)))
        .subcommand(Command::new("subject").hide(true).arg(mib))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_arguments_are_consistent() {
        super::command().debug_assert();
    }
}
