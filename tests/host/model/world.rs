//! All that was made in one sequence, and what each operation does to it and to the model of it.

use super::Wrong;
use super::ending::{End, Ending};
use super::operation::{Act, Kind, Manner, Nth, Operation};
use super::oracle;
use super::process::{Pending, Started};
use super::template::{Expected, Node, State};
use anyfork::{Error, Process, Restarts, Template};
use anyfork_tests::{children, lives, stat, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

#[path = "restart.rs"]
mod restart;

/// What must happen, happens in this time on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);

/// For what must not happen.
const A_MOMENT: Duration = Duration::from_millis(5);

/// Of starts from a stopped template that are waited for.
const DEADLINE: Duration = Duration::from_millis(30);

/// Of starts that are taken up later in the sequence.
const UNTIL_TAKEN: Duration = Duration::from_secs(30);

/// Templates that are made while there are so many are not.
const MOST_TEMPLATES: usize = 8;

#[derive(Debug)]
struct Live {
    started: Started,
    /// `None`: of the default template.
    template: Option<usize>,
}

#[derive(Debug)]
struct UnderWay {
    pending: Pending,
    manner: Manner,
    template: Option<usize>,
    number: u32,
    expected: Expected,
    /// A bound process of a template that was killed meanwhile is killed with it.
    is_killed: bool,
}

#[derive(Debug, Default)]
pub(super) struct World {
    templates: Vec<Node>,
    live: Vec<Live>,
    under_way: Vec<UnderWay>,
    /// How many starts there were.
    starts: u32,
    /// Those that were given up while nothing could have begun them.
    given_up: Vec<u32>,
}

/// The nth that fits, counted around.
fn nth<T>(all: &[T], nth: Nth, fits: impl Fn(&T) -> bool) -> Option<usize> {
    let fitting: Vec<usize> = (0..all.len()).filter(|index| fits(&all[*index])).collect();
    (!fitting.is_empty()).then(|| fitting[usize::from(nth) % fitting.len()])
}

fn send(pid: u32, signal: Signal) {
    let _ = Pid::from_raw(pid as i32).map(|pid| kill_process(pid, signal));
}

/// What the system shows must become so.
fn seen(what: &str, is_so: impl FnMut() -> bool) -> Result<(), Wrong> {
    if wait_until(LIMIT, is_so) { Ok(()) } else { Err(format!("not seen within {LIMIT:?}: {what}")) }
}

fn stop(pid: u32) -> Result<(), Wrong> {
    send(pid, Signal::STOP);
    seen("it stops", || stat(pid).is_some_and(|it| it.state == 'T'))
}

fn kill(pid: u32) -> Result<(), Wrong> {
    send(pid, Signal::KILL);
    seen("it ends", || !lives(pid))
}

impl World {
    pub(super) fn perform(&mut self, operation: Operation) -> Result<(), Wrong> {
        match operation {
            Operation::MakeTemplate { of } => self.make_template(of),
            Operation::Run { of, manner } => self.run(of, manner),
            Operation::Start { of, manner } => self.start(of, manner),
            Operation::Finish(which) => self.finish(which),
            Operation::GiveUp(which) => {
                if let Some(index) = nth(&self.under_way, which, |_| true) {
                    let UnderWay { number, expected, .. } = self.under_way.remove(index);
                    self.note_failure(number, expected);
                }
                Ok(())
            }
            Operation::StopTemplate(which) => self.stop_template(which),
            Operation::ContinueTemplate(which) => {
                let stopped = self.nth_template(which, |node| node.state == State::Stopped);
                stopped.map_or(Ok(()), |index| self.continue_template(index))
            }
            Operation::KillTemplate(which) => self.kill_template(which),
            Operation::DropTemplate(which) => self.drop_template(which),
            Operation::RestartTemplate(which) => self.restart_template(which),
            Operation::Spares(which, most) => self.spares(which, most),
            Operation::KillDefaultTemplate => self.kill_default(),
            Operation::To(which, act) => self.act(which, act),
        }
    }

    fn act(&mut self, which: Nth, act: Act) -> Result<(), Wrong> {
        let Some(index) = nth(&self.live, which, |_| true) else { return Ok(()) };
        let told = self.is_told(&self.live[index]);
        let started = &mut self.live[index].started;
        match act {
            Act::Release(code) => started.release(code),
            Act::Talk => return started.talk(LIMIT),
            Act::Terminate => return started.signal(libc::SIGTERM),
            Act::Kill => return started.signal(libc::SIGKILL),
            Act::Continue => return started.signal(libc::SIGCONT),
            // What may be about to end cannot be seen to stop.
            Act::Stop if started.ending.runs() && !started.ending.is_stopped() => {
                stop(started.pid())?;
                started.ending.stop();
            }
            Act::Stop => {}
            Act::Ask => return started.ask(),
            Act::Await => {
                let limit = if told && !started.ending.runs() { LIMIT } else { A_MOMENT };
                return started.wait(limit, told);
            }
            Act::Drop => drop(self.live.remove(index)),
        }
        Ok(())
    }

    /// Whether the end of a process must become known: not while its template is stopped.
    fn is_told(&self, live: &Live) -> bool {
        live.template.is_none_or(|index| self.templates[index].state != State::Stopped)
    }

    /// A template to start from: `None` is the default template, or that there is no other.
    fn origin(&self, of: Option<Nth>) -> Option<usize> {
        nth(&self.templates, of?, |node| node.handle.is_some())
    }

    fn nth_template(&self, which: Nth, fits: impl Fn(&Node) -> bool) -> Option<usize> {
        nth(&self.templates, which, |node| node.state != State::Killed && fits(node))
    }

    fn expected(&self, of: Option<usize>) -> Expected {
        of.map_or(Expected::Success, |index| self.templates[index].expected())
    }

    fn handle(&self, of: Option<usize>) -> Option<&Template> {
        self.templates[of?].handle.as_ref()
    }

    fn make_template(&mut self, of: Option<Nth>) -> Result<(), Wrong> {
        if self.templates.len() >= MOST_TEMPLATES {
            return Ok(());
        }
        let parent = self.origin(of);
        let expected = self.expected(parent);
        let process = self.handle(parent).map_or_else(Process::new, Template::fork);
        // With a deadline as short as for a stopped template nothing could be restarted later.
        let has_recipe = expected == Expected::Success;
        let process = if has_recipe { process.restarts(Restarts::by_hand()) } else { process };
        if let Some(handle) = agrees(expected, process.deadline(patience(expected)).template())? {
            let (pid, state) = (handle.pid(), State::Runs);
            let (handle, origin, has_spares) = (Some(handle), parent, false);
            self.templates.push(Node { handle, pid, parent, origin, has_recipe, state, has_spares });
        }
        Ok(())
    }

    fn run(&mut self, of: Option<Nth>, manner: Manner) -> Result<(), Wrong> {
        let template = self.origin(of);
        // A program is never a spare.
        let expected = match (self.expected(template), manner.kind) {
            (Expected::Nothing { .. }, Kind::Program) => Expected::Nothing { has_spares: false },
            (expected, _) => expected,
        };
        let number = self.next();
        let pending = Pending::start(self.handle(template), manner, patience(expected), number);
        match agrees(expected, pending.wait(manner))? {
            Some(started) => self.live.push(Live { started, template }),
            None => self.note_failure(number, expected),
        }
        Ok(())
    }

    fn next(&mut self) -> u32 {
        self.starts += 1;
        self.starts
    }

    /// A template that is stopped, and has no spare, has not begun what it was told since. It never may.
    fn note_failure(&mut self, number: u32, expected: Expected) {
        if let Expected::Failure | Expected::Nothing { has_spares: false } = expected {
            self.given_up.push(number);
        }
    }

    fn start(&mut self, of: Option<Nth>, manner: Manner) -> Result<(), Wrong> {
        let template = self.origin(of);
        let expected = self.expected(template);
        let number = self.next();
        let pending = Pending::start(self.handle(template), manner, UNTIL_TAKEN, number);
        self.under_way.push(UnderWay { pending, manner, template, number, expected, is_killed: false });
        Ok(())
    }

    fn finish(&mut self, which: Nth) -> Result<(), Wrong> {
        let Some(index) = nth(&self.under_way, which, |_| true) else { return Ok(()) };
        let UnderWay { mut pending, manner, template, number, expected, is_killed } = self.under_way.remove(index);
        let finished = match expected {
            // It is still stopped.
            Expected::Nothing { .. } => match pending.try_finish(manner) {
                Ok(None) => {
                    self.under_way.push(UnderWay { pending, manner, template, number, expected, is_killed });
                    return Ok(());
                }
                // A spare: whether it had been there when it was started is not known.
                Ok(Some(started)) => Ok(started),
                Err(error) => Err(error),
            },
            _ => pending.wait(manner),
        };
        let Some(mut started) = agrees(expected, finished)? else { return Ok(()) };
        if is_killed {
            started.ending.cause(End::Signal(libc::SIGKILL));
        }
        self.live.push(Live { started, template });
        Ok(())
    }

    fn spares(&mut self, which: Nth, most: u8) -> Result<(), Wrong> {
        let Some(index) = nth(&self.templates, which, |node| node.handle.is_some()) else { return Ok(()) };
        let node = &mut self.templates[index];
        let Some(handle) = &node.handle else { return Ok(()) };
        // Whether it is stopped or not: nobody waits for an answer.
        let expected = if node.state == State::Killed { Expected::Failure } else { Expected::Success };
        agrees(expected, handle.spares(0..=most.into()))?;
        node.has_spares = true;
        Ok(())
    }

    fn stop_template(&mut self, which: Nth) -> Result<(), Wrong> {
        // One whose parent is about to end will be continued then.
        let will_go_on = |node: &Node| {
            let parent = node.parent.map(|parent| &self.templates[parent]);
            parent.is_some_and(|parent| parent.handle.is_none() && lives(parent.pid))
        };
        let stops = |node: &Node| node.state == State::Runs && node.handle.is_some() && !will_go_on(node);
        let Some(index) = self.nth_template(which, stops) else { return Ok(()) };
        stop(self.templates[index].pid)?;
        self.templates[index].state = State::Stopped;
        // What has been ordered may have been done before, or not.
        for start in self.under_way.iter_mut().filter(|start| start.template == Some(index)) {
            if start.expected == Expected::Success {
                start.expected = Expected::Nothing { has_spares: true };
            }
        }
        Ok(())
    }

    fn continue_template(&mut self, index: usize) -> Result<(), Wrong> {
        let node = &mut self.templates[index];
        node.state = State::Runs;
        send(node.pid, Signal::CONT);
        let is_dropped = node.handle.is_none();
        // What was held up may go on, unless the template has been dropped meanwhile.
        for start in self.under_way.iter_mut().filter(|start| start.template == Some(index)) {
            if let Expected::Nothing { .. } = start.expected {
                start.expected = if is_dropped { Expected::Either } else { Expected::Success };
            }
        }
        if is_dropped { self.continue_children(Some(index)) } else { Ok(()) }
    }

    /// The end of a template continues those that it made (its death signal). It is done here at once, as the end may take a while.
    fn continue_children(&mut self, of: Option<usize>) -> Result<(), Wrong> {
        let is_child = |node: &Node| node.state == State::Stopped && (of.is_none() || node.parent == of);
        let stopped: Vec<usize> = (0..self.templates.len()).filter(|index| is_child(&self.templates[*index])).collect();
        stopped.into_iter().try_for_each(|index| self.continue_template(index))
    }

    fn kill_template(&mut self, which: Nth) -> Result<(), Wrong> {
        let Some(index) = self.nth_template(which, |node| node.handle.is_some()) else { return Ok(()) };
        kill(self.templates[index].pid)?;
        self.templates[index].state = State::Killed;
        self.lose_template(Some(index));
        self.continue_children(Some(index))
    }

    /// What a template that was killed takes along.
    fn lose_template(&mut self, which: Option<usize>) {
        for live in self.live.iter_mut().filter(|live| live.template == which) {
            if live.started.manner.die_with_owner {
                live.started.ending.cause(End::Signal(libc::SIGKILL));
            }
        }
        self.end_starts(which);
        for start in self.under_way.iter_mut().filter(|start| start.template == which) {
            start.is_killed = start.manner.die_with_owner;
        }
    }

    fn end_starts(&mut self, of: Option<usize>) {
        for start in self.under_way.iter_mut().filter(|start| start.template == of) {
            if start.expected != Expected::Failure {
                start.expected = Expected::Either;
            }
        }
    }

    fn drop_template(&mut self, which: Nth) -> Result<(), Wrong> {
        let Some(index) = nth(&self.templates, which, |node| node.handle.is_some()) else { return Ok(()) };
        drop(self.templates[index].handle.take());
        self.end_template(index)
    }

    /// Nobody has a handle to it any more.
    fn end_template(&mut self, index: usize) -> Result<(), Wrong> {
        match self.templates[index].state {
            State::Runs => {
                self.end_starts(Some(index));
                self.continue_children(Some(index))
            }
            // It hears of that when it goes on.
            State::Stopped | State::Killed => Ok(()),
        }
    }

    /// The next use starts another one.
    fn kill_default(&mut self) -> Result<(), Wrong> {
        for pid in children(std::process::id()).into_iter().filter(|pid| lives(*pid)) {
            kill(pid)?;
        }
        self.lose_template(None);
        self.live.iter_mut().map(|live| &mut live.started.ending).for_each(Ending::may_be_lost);
        self.continue_children(None)
    }

    /// Everything goes on and is brought to its end, each with the right answer.
    pub(super) fn settle(&mut self) -> Result<(), Wrong> {
        for index in 0..self.templates.len() {
            if self.templates[index].state == State::Stopped {
                self.continue_template(index)?;
            }
        }
        while !self.under_way.is_empty() {
            self.finish(0)?;
        }
        for live in &mut self.live {
            if live.started.ending.is_stopped() {
                live.started.signal(libc::SIGCONT)?;
            }
            if live.started.ending.runs() {
                live.started.release(7);
            }
            live.started.wait(LIMIT, true)?;
            live.started.ask()?;
        }
        Ok(())
    }

    pub(super) fn given_up(&self) -> &[u32] {
        &self.given_up
    }
}

/// How long the caller waits.
fn patience(expected: Expected) -> Duration {
    if matches!(expected, Expected::Nothing { .. }) { DEADLINE } else { LIMIT }
}

/// What a start has answered, if the model allows it.
fn agrees<T>(expected: Expected, result: Result<T, Error>) -> Result<Option<T>, Wrong> {
    match result {
        Ok(value) if expected.allows_success() => Ok(Some(value)),
        Ok(_) => Err(format!("started, where the model says {expected:?}")),
        Err(error) if expected.allows(&error) => Ok(None),
        Err(error) => Err(format!("{:?}, where the model says {expected:?}: {error}", error.kind())),
    }
}

/// Also after a failure: nobody stays stopped, and nobody stays.
impl Drop for World {
    fn drop(&mut self) {
        for pid in oracle::family() {
            send(pid, Signal::CONT);
        }
    }
}
