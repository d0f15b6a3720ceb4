//! A template that can come back: which process it is now, and what is done when that has ended.
//!
//! Nothing that could block is done under the lock, neither is a process waited for.

use crate::channel::Dialect;
use crate::error::{Error, ErrorKind, Result};
use crate::line::{Identity, Line};
use crate::maker::Maker;
use crate::origin::Held;
use crate::recipe::Recipe;
use crate::restarts::{Restarts, Tally};
use crate::spares::Spares;
use crate::starting::sealed::{FromReply, Ready};
use crate::starting::{Started, Starting, after};
use crate::status::ExitStatus;
use crate::sys::pidfd;
use crate::wire::Role;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Restartable {
    recipe: Recipe,
    maker: Maker,
    state: Mutex<State>,
    /// An attempt is over, or waits for somebody to go on with it.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// `None` when the handle is gone: it does not come back any more.
    tenure: Option<Arc<Tenure>>,
    /// What was asked for, also of those that come.
    spares: Option<Spares>,
    attempt: Attempt,
    tally: Tally,
    /// Whether a start has found it ended, and why it could not be restarted since.
    is_missed: bool,
    failure: Option<Error>,
}

/// How far an automatic restart is.
#[derive(Debug)]
enum Attempt {
    None,
    /// A thread waits for it.
    WaitedFor,
    /// Under way, but the deadline of whoever has waited for it came first.
    Left(Box<Starting<Tenure>>),
}

/// A process that the template is for a time. Whoever holds it last ends it: when another one is there, those that are about to ask this one for something still can.
#[derive(Debug)]
pub(crate) struct Tenure {
    pub(crate) line: Arc<Line>,
    /// Who can tell how it ends, and its id there.
    birth: Option<(Weak<Line>, u64)>,
    since: Instant,
}

impl Tenure {
    /// How it has ended, as far as that is known.
    fn status(&self) -> Option<ExitStatus> {
        let Identity { pid, pidfd } = self.line.identity()?;
        // Those that wait for it report it first: if it is not here, it is still a zombie, or here now.
        let dead = || {
            let pidfd = pidfd.as_ref()?;
            let left = pidfd::zombie_wait_status(pidfd, *pid, None).or_else(|| pidfd::wait_status(pidfd));
            left.map(ExitStatus::of_wait_status)
        };
        self.reported().or_else(dead).or_else(|| self.reported())
    }

    fn reported(&self) -> Option<ExitStatus> {
        let (parent, id) = self.birth.as_ref()?;
        let parent = parent.upgrade()?;
        parent.collect();
        parent.status(*id)
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        if self.line.is_foreign() {
            return;
        }
        // Closed also means given away.
        if !self.line.is_closed() {
            self.line.end();
        }
        if let Some((parent, id)) = &self.birth
            && let Some(parent) = parent.upgrade()
        {
            parent.forget(*id);
        }
    }
}

/// An automatic restart.
impl Started for Tenure {}

impl FromReply for Tenure {
    type Parts = Dialect;

    fn from_reply(ready: Ready, dialect: Dialect) -> Result<Self> {
        let Ready { pid, pidfd, socket, line, is_child, .. } = ready;
        let birth = line.map(|(line, id)| {
            // Its end is seen on its own socket; the template above it has to know that it must end with the owner.
            line.mark(id, Role::Template);
            (Arc::downgrade(&line), id)
        });
        let identity = Identity { pid, pidfd: pidfd.map(Arc::new) };
        let line = Arc::new(Line::new(socket, dialect, Some(identity), is_child));
        Ok(Tenure { line, birth, since: Instant::now() })
    }
}

/// A restart by hand.
impl Started for () {}

impl FromReply for () {
    type Parts = Option<Arc<Restartable>>;

    fn from_reply(ready: Ready, template: Option<Arc<Restartable>>) -> Result<()> {
        let Some(template) = template else { return Ok(()) };
        let tenure = Tenure::from_reply(ready, template.recipe.dialect())?;
        template.restarted(tenure)
    }
}

/// What a start is to do that has found the template ended.
enum Next {
    /// Somebody else restarts it.
    Wait,
    /// Restart it, or go on with that.
    Restart(Option<Box<Starting<Tenure>>>),
}

impl State {
    fn is(&self, tenure: &Arc<Tenure>) -> bool {
        self.tenure.as_ref().is_some_and(|present| Arc::ptr_eq(present, tenure))
    }

    /// Another process is the template from now on.
    fn take_over(&mut self, tenure: Tenure) {
        if let Some(spares) = self.spares {
            // If it has ended already, the next start shows that.
            let _ = tenure.line.set_spares(spares);
        }
        (self.is_missed, self.failure) = (false, None);
        self.tenure = Some(Arc::new(tenure));
    }

    fn next(&mut self, ended: &Tenure, restarts: Restarts) -> std::result::Result<Next, String> {
        match mem::replace(&mut self.attempt, Attempt::WaitedFor) {
            Attempt::WaitedFor => return Ok(Next::Wait),
            Attempt::Left(starting) => return Ok(Next::Restart(Some(starting))),
            Attempt::None => {}
        }
        if !mem::replace(&mut self.is_missed, true) && restarts.is_settled(ended.since.elapsed()) {
            self.tally = Tally::default();
        }
        let permit = self.tally.permit(restarts, Instant::now());
        permit.map(|()| Next::Restart(None)).inspect_err(|_| self.attempt = Attempt::None)
    }

    /// An attempt has come to an end.
    fn conclude(&mut self, result: Result<Tenure>, restarts: Restarts, step: &'static str) -> Result<()> {
        let now = Instant::now();
        self.tally.add(now);
        match result {
            Ok(tenure) => {
                self.take_over(tenure);
                Ok(())
            }
            Err(error) => {
                self.failure = Some(error);
                let when = self.tally.permit(restarts, now).err();
                Err(self.gone(step, &when.unwrap_or("the next start tries again".into())))
            }
        }
    }

    /// Why there is no template, and when there may be.
    fn gone(&self, step: &'static str, when: &str) -> Error {
        let status = || self.tenure.as_ref()?.status();
        let why = match &self.failure {
            Some(failure) => format!("could not be restarted ({failure})"),
            None => status().map_or("has ended".into(), |status| format!("has ended ({status})")),
        };
        Error::new(ErrorKind::TemplateGone, step, format!("the template {why}; {when}"))
    }
}

impl Restartable {
    pub(crate) fn new(recipe: Recipe, tenure: Tenure) -> Self {
        let state = State {
            tenure: Some(Arc::new(tenure)),
            spares: None,
            attempt: Attempt::None,
            tally: Tally::default(),
            is_missed: false,
            failure: None,
        };
        Restartable { recipe, maker: Maker::this(), state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// An error for `step` in a fork of the program.
    pub(crate) fn check_maker(&self, step: &'static str) -> Result<()> {
        self.maker.check(step)
    }

    /// The process that it is now, alive or not. `None`: the handle is gone.
    pub(crate) fn line(&self) -> Option<Arc<Line>> {
        self.lock().tenure.as_ref().map(|tenure| Arc::clone(&tenure.line))
    }

    /// See [`Template::spares`](crate::Template::spares).
    pub(crate) fn set_spares(&self, spares: Spares) -> Result<()> {
        self.check_maker("spares")?;
        let mut state = self.lock();
        state.spares = Some(spares);
        state.tenure.as_ref().map_or(Ok(()), |tenure| tenure.line.set_spares(spares))
    }

    /// The handle is gone: what it was ends, unless somebody is just about to ask it for something.
    pub(crate) fn leave(&self) {
        if self.maker.is_foreign() {
            return;
        }
        let mut state = self.lock();
        let left = (state.tenure.take(), mem::replace(&mut state.attempt, Attempt::None));
        drop(state);
        self.changed.notify_all();
        // What it was may have to be waited for.
        drop(left);
    }

    /// Starts it once more, to take the place of the process that it is now.
    pub(crate) fn start(self: &Arc<Self>) -> Starting<()> {
        self.recipe.start(Some(Arc::clone(self)), RESTART)
    }

    /// It has been restarted by hand.
    fn restarted(&self, tenure: Tenure) -> Result<()> {
        let mut state = self.lock();
        let Some(before) = state.tenure.clone() else { return Err(dropped(RESTART)) };
        if matches!(state.attempt, Attempt::Left(_)) {
            state.attempt = Attempt::None;
        }
        state.tally = Tally::default();
        state.take_over(tenure);
        drop(state);
        self.changed.notify_all();
        drop(before);
        Ok(())
    }

    /// The process that it is, to be asked for something. If it is to restart by itself and has ended, it is restarted, or another thread's restart is waited for, until
    /// `limit`.
    pub(crate) fn hold(&self, step: &'static str, limit: Duration) -> Result<Held> {
        self.check_maker(step)?;
        let mut tenure = self.present(step)?;
        if !self.recipe.restarts.is_automatic() || tenure.line.is_up() {
            return Ok(Held::of(tenure, Duration::ZERO));
        }
        let (begin, until) = (Instant::now(), after(limit));
        loop {
            self.replace(&tenure, step, until)?;
            tenure = self.present(step)?;
            if tenure.line.is_up() {
                return Ok(Held::of(tenure, begin.elapsed()));
            }
        }
    }

    fn present(&self, step: &'static str) -> Result<Arc<Tenure>> {
        self.lock().tenure.clone().ok_or_else(|| dropped(step))
    }

    /// Does one thing about an ended process, or waits until somebody else has.
    fn replace(&self, ended: &Arc<Tenure>, step: &'static str, until: Instant) -> Result<()> {
        let mut state = self.lock();
        if !state.is(ended) {
            return Ok(());
        }
        match state.next(ended, self.recipe.restarts).map_err(|when| state.gone(step, &when))? {
            Next::Restart(left) => {
                drop(state);
                self.attempt(ended, left, step, until)
            }
            Next::Wait => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(passed(step));
                }
                drop(self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner));
                Ok(())
            }
        }
    }

    /// Restarts it, or goes on with that.
    fn attempt(
        &self,
        ended: &Arc<Tenure>,
        left: Option<Box<Starting<Tenure>>>,
        step: &'static str,
        until: Instant,
    ) -> Result<()> {
        let mut starting = left.unwrap_or_else(|| Box::new(self.recipe.start(self.recipe.dialect(), RESTART)));
        let result = starting.wait_until(until).transpose();
        let mut state = self.lock();
        state.attempt = Attempt::None;
        let outcome = match result {
            // Somebody has restarted it by hand, or dropped it, meanwhile.
            _ if !state.is(ended) => Ok(()),
            Some(result) => state.conclude(result, self.recipe.restarts, step),
            None => {
                state.attempt = Attempt::Left(starting);
                Err(passed(step))
            }
        };
        drop(state);
        self.changed.notify_all();
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const RESTART: &str = "restart a template";

fn dropped(step: &'static str) -> Error {
    Error::new(ErrorKind::TemplateGone, step, "the template was dropped")
}

fn passed(step: &'static str) -> Error {
    Error::new(ErrorKind::Deadline, step, "the deadline passed while the template was being restarted")
}
