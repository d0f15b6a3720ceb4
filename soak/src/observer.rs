//! Watches one program under test from its start to its end.

use crate::family;
use crate::growth::Growth;
use crate::oracle::Oracle;
use crate::plan::{Soak, Task};
use crate::program::Program;
use crate::progress;
use crate::report::Report;
use crate::snapshot::{DEFAULT, PROGRAM, Residents, Snapshot, TEMPLATE};
use crate::words::Word;
use crate::zombies::Zombies;
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Between two looks; shorter where there is little to look at, and little time.
const LOOK: Duration = Duration::from_secs(1);
const SHORT_LOOK: Duration = Duration::from_millis(200);

/// With fewer workers than that the looks are short.
const FEW: u64 = 200_000;

/// How long a process that has ended may be waited for, and one that is to end may be there.
const SOON: Duration = Duration::from_secs(1);

/// The same, where thousands end at once.
const LATER: Duration = Duration::from_secs(10);

/// A program that says nothing for so long, beyond the time for which it may wait for a status, has stopped.
const SILENCE: Duration = Duration::from_secs(180);

/// Runs one soak.
pub(crate) fn watch(task: &Task) -> Report {
    let mut report = Report::new(task.soak);
    match Program::start(task) {
        Ok(program) => {
            let observer = Observer::new(task, program, &mut report);
            observer.watch(task);
        }
        Err(error) => report.trouble(Oracle::Program, format!("it cannot be started: {error}")),
    }
    report
}

struct Observer<'a> {
    program: Program,
    report: &'a mut Report,
    bar: ProgressBar,
    residents: Residents,
    zombies: Zombies,
    snapshots: BTreeMap<String, Snapshot>,
    growth: Option<Growth>,
    count: u64,
    is_idle: bool,
    /// Looks, and how many of them were at an idle program.
    looks: [u32; 2],
    /// How long what is to end may be there.
    soon: Duration,
}

impl<'a> Observer<'a> {
    fn new(task: &Task, program: Program, report: &'a mut Report) -> Self {
        let soon = if task.soak == Soak::Live { LATER } else { SOON };
        Observer {
            residents: Residents::from([(PROGRAM, program.pid())]),
            program,
            report,
            bar: progress::bar(task),
            zombies: Zombies::new(soon),
            snapshots: BTreeMap::new(),
            growth: Growth::of(task.soak),
            count: 0,
            is_idle: false,
            looks: [0; 2],
            soon,
        }
    }

    fn watch(mut self, task: &Task) {
        let interval = if task.soak != Soak::Live && task.workers < FEW { SHORT_LOOK } else { LOOK };
        let (start, silence) = (Instant::now(), SILENCE + task.patience);
        let (mut next, mut heard) = (start, start);
        loop {
            match self.program.hear(next.saturating_duration_since(Instant::now())) {
                Some(Ok(Word::End)) => break,
                Some(Ok(word)) => {
                    heard = Instant::now();
                    self.hear(word);
                }
                Some(Err(what)) => return self.lose(&what),
                None if self.program.has_failed() => return self.lose("it has ended before its time"),
                None if heard.elapsed() > silence => return self.lose("it says nothing any more"),
                None => {}
            }
            if next <= Instant::now() {
                self.look();
                next = Instant::now() + interval;
            }
        }
        self.bar.finish_and_clear();
        self.report_looks(start.elapsed());
        self.see_end();
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Count(count) => {
                self.count = count;
                self.bar.set_position(count);
            }
            Word::Templates(template, default) => {
                for (name, pid) in [(TEMPLATE, template), (DEFAULT, default)] {
                    self.residents.remove(name);
                    self.residents.extend((pid > 0).then_some((name, pid)));
                }
            }
            Word::Pause(name) => {
                self.pause(name);
                self.program.go_on();
            }
            Word::Rest(count) => {
                self.growth.iter_mut().for_each(|growth| growth.look(count, &self.residents));
                self.program.go_on();
            }
            Word::Idle(idle) => self.is_idle = idle,
            Word::Figure(name, value) => self.report.figure(name, value),
            Word::Trouble(oracle, what) => self.report.trouble(oracle, what),
            Word::End => {}
        }
    }

    /// The program has ended before its time, or must be ended.
    fn lose(&mut self, why: &str) {
        self.bar.finish_and_clear();
        let status = self.program.end(SOON).map_or_else(|| "it still runs".into(), |status| status.to_string());
        self.report.trouble(Oracle::Program, format!("{why}; {status}"));
    }

    fn look(&mut self) {
        let family = family::of_session(self.program.pid());
        for zombie in self.zombies.look(&family, Instant::now()) {
            let idle = if self.is_idle { "idle " } else { "" };
            let parent = self.name(zombie.parent);
            let what = format!(
                "process {}, child of {parent}, seen for {:?}, {idle}after {}",
                zombie.pid, self.soon, self.count
            );
            self.report.trouble(Oracle::Zombies, what);
        }
        self.looks[0] += 1;
        self.looks[1] += u32::from(self.is_idle);
    }

    fn name(&self, pid: u32) -> String {
        let name = self.residents.iter().find(|(_, known)| **known == pid).map(|(name, _)| name);
        name.map_or_else(|| format!("process {pid}"), |name| format!("the {name}"))
    }

    fn pause(&mut self, name: String) {
        if name == "end" {
            self.see_nobody_else();
            self.see_descriptors();
        }
        self.snapshots.insert(name, Snapshot::take(&self.residents));
        self.report_live();
    }

    /// But the residents, in a moment.
    fn see_nobody_else(&mut self) {
        let until = Instant::now() + self.soon;
        loop {
            let mut left = self.program.family();
            left.retain(|member| !self.residents.values().any(|pid| *pid == member.pid));
            if left.is_empty() {
                return;
            }
            if Instant::now() >= until {
                let what = format!("{} processes when all should have ended; {left:?}", left.len());
                left.iter().for_each(family::kill);
                return self.report.trouble(Oracle::Left, what);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// As at the beginning, in a moment: what failed last may still be being closed.
    fn see_descriptors(&mut self) {
        let Some(begin) = self.snapshots.get("begin") else { return };
        let until = Instant::now() + self.soon;
        loop {
            let end = Snapshot::take(&self.residents);
            let differences = end.differences(begin);
            if differences.is_empty() || Instant::now() >= until {
                for name in self.residents.keys() {
                    let open = end.open(name).unwrap_or_default();
                    self.report.figure(format!("descriptors of the {name} at the end"), open as f64);
                }
                let troubles = differences.into_iter();
                return troubles.for_each(|what| self.report.trouble(Oracle::Descriptors, what));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What each of many workers costs in those that stay.
    fn report_live(&mut self) {
        let (Some(empty), Some(full)) = (self.snapshots.get("empty"), self.snapshots.get("full")) else { return };
        let Some(live) = self.report.get("live at once") else { return };
        for name in [PROGRAM, TEMPLATE] {
            if let (Some(before), Some(now)) = (empty.memory(name), full.memory(name)) {
                let each = (now as f64 - before as f64) / live;
                self.report.figure(format!("bytes for each live worker in the {name}"), each);
            }
        }
        self.snapshots.remove("full");
    }

    fn report_looks(&mut self, time: Duration) {
        let workers = self.report.get("workers").unwrap_or_default();
        self.report.figure("seconds", time.as_secs_f64());
        self.report.figure("per second", (workers / time.as_secs_f64()).round());
        self.report.figure("looks for zombies", self.looks[0].into());
        self.report.figure("looks for zombies while the program idles", self.looks[1].into());
        self.growth.iter().for_each(|growth| growth.tell(workers as u64, self.report));
    }

    /// The program ends by itself, and all others with it.
    fn see_end(&mut self) {
        match self.program.end(LATER) {
            Some(status) if status.success() => {}
            Some(status) => self.report.trouble(Oracle::Program, status.to_string()),
            None => self.report.trouble(Oracle::Program, "it does not end"),
        }
        let until = Instant::now() + self.soon;
        while !self.program.family().is_empty() {
            if Instant::now() >= until {
                let left = self.program.family();
                return self.report.trouble(Oracle::Left, format!("{} processes after its end; {left:?}", left.len()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
