//! The soaks, and how much each has to do.

use crate::options::Options;
use std::fmt;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

/// A soak, and so a program under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Soak {
    /// Workers of a template and of the default template, from two threads; the program idles now and then.
    Plain,
    /// The same from one thread, with faults.
    Faults,
    /// Many workers that live at once.
    Live,
    /// External programs.
    Programs,
    /// Workers that were forked in advance.
    Spares,
    /// Workers in Python.
    Python,
}

const ALL: [(Soak, &str); 6] = [
    (Soak::Plain, "plain"),
    (Soak::Faults, "faults"),
    (Soak::Live, "live"),
    (Soak::Programs, "programs"),
    (Soak::Spares, "spares"),
    (Soak::Python, "python"),
];

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ALL.iter().find(|(soak, _)| soak == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Soak {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || ALL.map(|(_, name)| name).join(", ");
        let known = ALL.iter().find(|(_, known)| *known == name);
        known.map(|(soak, _)| *soak).ok_or_else(|| format!("the soaks are {}", names()))
    }
}

/// What one program under test is told.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) soak: Soak,
    pub(crate) workers: u64,
    pub(crate) faults_every: u64,
    pub(crate) seed: u64,
    pub(crate) limit: Duration,
    pub(crate) patience: Duration,
}

/// As one argument.
impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Task { soak, workers, faults_every, seed, limit, patience } = self;
        write!(f, "{soak},{workers},{faults_every},{seed},{},{}", limit.as_secs(), patience.as_secs())
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (soak, numbers) = text.split_once(',').ok_or("which soak?")?;
        let numbers: Vec<u64> = numbers.split(',').map_while(|number| number.parse().ok()).collect();
        let [workers, faults_every, seed, limit, patience] = numbers[..] else { return Err("how much?".into()) };
        let (limit, patience) = (Duration::from_secs(limit), Duration::from_secs(patience));
        Ok(Task { soak: soak.parse()?, workers, faults_every, seed, limit, patience })
    }
}

/// In their order.
pub(crate) fn tasks(options: &Options) -> Vec<Task> {
    let wanted = ALL.iter().map(|(soak, _)| *soak);
    let wanted = wanted.filter(|soak| options.soaks.is_empty() || options.soaks.contains(soak));
    let task = |soak| Task {
        soak,
        workers: workers(soak, options).max(1),
        faults_every: options.faults_every,
        seed: options.seed,
        limit: Duration::from_secs(options.seconds.unwrap_or(u64::from(u32::MAX))),
        patience: options.patience,
    };
    wanted.map(task).collect()
}

/// What takes longer has fewer.
fn workers(soak: Soak, options: &Options) -> u64 {
    match soak {
        Soak::Plain => options.workers,
        Soak::Faults if options.short => options.workers / 5,
        Soak::Faults => options.workers,
        Soak::Live => options.workers.min(10_000),
        Soak::Programs if options.short => options.workers / 50,
        Soak::Programs => options.workers / 20,
        Soak::Spares => options.workers / 10,
        Soak::Python => options.workers / 500,
    }
}

/// Why a soak cannot run here.
pub(crate) fn why_not(task: &Task) -> Option<&'static str> {
    let python = || {
        let mut command = Command::new("python3");
        let quiet = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    (task.soak == Soak::Python && !python()).then_some("there is no python3")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_arrives_as_it_was() {
        let (limit, patience) = (Duration::from_secs(4), Duration::from_secs(5));
        for (soak, _) in ALL {
            let task = Task { soak, workers: 1, faults_every: 2, seed: 3, limit, patience };
            let same: Task = task.to_string().parse().expect("a task");
            assert_eq!(same.to_string(), task.to_string());
        }
        assert!("plain,1,2".parse::<Task>().is_err());
        assert!("none,1,2,3,4,5".parse::<Task>().is_err());
    }
}
