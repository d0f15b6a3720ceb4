//! Workers from one thread, and about every so many a fault, chosen by a seed.

mod fault;
mod limits;

use super::ending::end_as_told;
use super::ends::Ends;
use super::plain::OF_DEFAULT;
use super::rest::after_each_part;
use super::tally::Tally;
use super::window::{DEADLINE, Window};
use super::{Outcome, end_with_observer, setting, tell};
use crate::oracle::Oracle;
use crate::plan::Task;
use crate::words::Word;
use anyfork::{Process, Starting, Template, Worker};
use fastrand::Rng;
use fault::Fault;
use rustix::process::{Signal, pidfd_send_signal};
use std::os::fd::OwnedFd;
use std::thread::Scope;
use std::time::{Duration, Instant};

/// So many starts in a row are dropped, or have no time or no room.
const ROW: usize = 16;

/// No time.
const HURRY: Duration = Duration::from_millis(1);

/// How long a template is stopped, and how long so that no deadline can be kept by chance; that each so many faults, beginning with the first.
const STOP_MS: std::ops::Range<u64> = 50..300;
const LONG_STOP: Duration = Duration::from_secs(3);
const LONG_STOP_EVERY: u64 = 250;

/// A deadline in that time.
const SHORT: Duration = Duration::from_millis(100);

/// Goes on until it is killed, whatever becomes of its socket.
#[anyfork::entry]
fn linger() {
    std::thread::sleep(Duration::from_secs(3600));
}

pub(super) fn run(task: &Task, tally: &Tally) -> Outcome {
    let can_limit = limits::become_somebody()?;
    end_with_observer();
    let template = Process::new().template()?;
    setting::begin(tally, Some(&template), |number| start(&template, number))?;
    let template = std::thread::scope(|scope| {
        let (window, rng) = (Window::new(tally), Rng::with_seed(task.seed));
        let mut soak =
            Faults { tally, scope, window, rng, can_limit, template, every: task.faults_every, left: 1, faults: 0 };
        after_each_part(tally, |_, limit| soak.run(limit));
        tell(&Word::Figure("faults".into(), soak.faults as f64));
        soak.template
    });
    // The last fault may have been the end of the default template, which is seen when it is used.
    let settle = |process: Process| process.arg(0u64).run(end_as_told)?.wait().map(drop);
    settle(Process::new()).or_else(|_| settle(Process::new()))?;
    settle(template.fork())?;
    setting::tell_templates(Some(&template));
    setting::end(tally);
    Ok(())
}

fn start(template: &Template, number: u64) -> Starting<Worker> {
    process(template, number).blocking_socket(true).arg(number).start(end_as_told)
}

fn process(template: &Template, number: u64) -> Process {
    if number % OF_DEFAULT == OF_DEFAULT - 1 { Process::new() } else { template.fork() }
}

struct Faults<'scope, 'env> {
    tally: &'env Tally,
    scope: &'scope Scope<'scope, 'env>,
    window: Window<'env, Worker>,
    rng: Rng,
    /// Whether the number of processes can be limited.
    can_limit: bool,
    template: Template,
    every: u64,
    /// So many until the next fault.
    left: u64,
    faults: u64,
}

impl Faults<'_, '_> {
    fn run(&mut self, limit: u64) {
        while let Some(number) = self.tally.next(limit) {
            self.start(number, DEADLINE);
            self.left -= 1;
            if self.left == 0 {
                let fault = self.choose();
                self.faults += 1;
                self.tally.note(format!("fault: {fault}"));
                self.commit(fault);
                self.left = self.rng.u64(1..2 * self.every.max(1));
            }
        }
        self.window.drain();
    }

    fn start(&mut self, number: u64, deadline: Duration) {
        let template = &self.template;
        let make = || process(template, number).blocking_socket(true).deadline(deadline).arg(number).start(end_as_told);
        self.window.start(number, deadline, make);
    }

    fn choose(&mut self) -> Fault {
        if self.faults.is_multiple_of(LONG_STOP_EVERY) {
            return Fault::StopForLong;
        }
        let fault = Fault::any(&mut self.rng);
        // Without a user of its own there is no limit that concerns it.
        if fault == Fault::NoProcesses && !self.can_limit { Fault::NoDescriptors } else { fault }
    }

    fn commit(&mut self, fault: Fault) {
        match fault {
            Fault::KillWorker => self.kill_worker(),
            Fault::KillChild => self.kill_child(),
            Fault::KillTemplate => self.kill_templates(true, false),
            Fault::KillDefault => self.kill_templates(false, true),
            Fault::KillBoth => self.kill_templates(true, true),
            Fault::Stop => {
                let time = Duration::from_millis(self.rng.u64(STOP_MS));
                self.stop(time);
            }
            Fault::StopForLong => {
                // So that nothing else is waited for while it is stopped.
                self.window.drain();
                self.stop(LONG_STOP);
                self.start_in_a_row(SHORT);
                self.window.drain();
            }
            Fault::NoDescriptors => {
                let limited = limits::descriptors(self.rng.u64(0..4));
                self.start_in_a_row(DEADLINE);
                drop(limited);
            }
            Fault::NoProcesses => {
                let limited = limits::processes(&self.template);
                self.start_in_a_row(DEADLINE);
                drop(limited);
            }
            Fault::Drop => self.drop_in_a_row(),
            Fault::Hurry => self.start_in_a_row(HURRY),
        }
    }

    /// One that has started.
    fn kill_worker(&mut self) {
        let index = self.rng.usize(0..8);
        if let Some(worker) = self.window.running(index) {
            self.tally.shoot();
            let _ = Ends::kill(worker);
        }
    }

    /// One that the kernel shows, in whatever it is doing: being prepared, as a rule.
    fn kill_child(&mut self) {
        let children = crate::family::children(self.template.pid());
        if let Some(child) = self.rng.choice(&children) {
            self.tally.shoot();
            crate::family::kill(child);
        }
    }

    /// The template is made anew at once, the default template when it is used next.
    fn kill_templates(&mut self, own: bool, default: bool) {
        self.tally.shoot_template();
        let (program, own_pid) = (std::process::id(), self.template.pid());
        let victims = [(default, setting::default_template()), (own, Some(own_pid))];
        for pid in victims.into_iter().filter_map(|(is_meant, pid)| pid.filter(|_| is_meant)) {
            let victim = crate::family::member(pid);
            victim.filter(|it| it.parent == program || pid == own_pid).iter().for_each(crate::family::kill);
        }
        if own {
            self.replace_template();
        }
    }

    fn replace_template(&mut self) {
        let begun = Instant::now();
        loop {
            let due = Instant::now() + DEADLINE;
            let made = Process::new().deadline(DEADLINE).template();
            self.tally.returned("making a template", due);
            match made {
                Ok(template) => {
                    self.template = template;
                    return;
                }
                Err(error) if begun.elapsed() > self.tally.patience => {
                    let patience = self.tally.patience;
                    return self.tally.trouble(Oracle::Recovery, format!("no template for {patience:?}: {error}"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn stop(&mut self, time: Duration) {
        let pidfd = self.template.pidfd().and_then(|pidfd| pidfd.try_clone().ok());
        let Some(pidfd): Option<OwnedFd> = pidfd else { return };
        let _ = pidfd_send_signal(&pidfd, Signal::STOP);
        self.scope.spawn(move || {
            std::thread::sleep(time);
            let _ = pidfd_send_signal(&pidfd, Signal::CONT);
        });
    }

    fn start_in_a_row(&mut self, deadline: Duration) {
        for _ in 0..ROW {
            let Some(number) = self.tally.next(u64::MAX) else { return };
            self.start(number, deadline);
        }
    }

    /// None of them may be there at the end.
    fn drop_in_a_row(&mut self) {
        for _ in 0..ROW {
            let Some(number) = self.tally.next(u64::MAX) else { return };
            let starting = process(&self.template, number).start(linger);
            std::thread::sleep(Duration::from_micros(self.rng.u64(0..500)));
            let begun = Instant::now();
            drop(starting);
            self.tally.returned("giving up", begun);
            self.tally.dropped();
        }
    }
}
