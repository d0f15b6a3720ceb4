//! Where a process comes from, and how it is ordered there.

use crate::allowed::Allowed;
use crate::channel::{Descriptors, Outbox};
use crate::command::Command;
use crate::default_template;
use crate::error::{Error, Result};
use crate::handover;
use crate::interpreter;
use crate::launched::Launched;
use crate::line::{Line, New};
use crate::options::Options;
use crate::restartable::{Restartable, Tenure};
use crate::spares::Spares;
use crate::wire::{Order, Role};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// Where a process comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    DefaultTemplate,
    /// With only these variables, if not all.
    FreshExec(Option<Allowed>),
    Template(Source),
    /// An external program, which speaks the protocol.
    Interpreter(Arc<Command>),
    /// Somebody else started it.
    Elsewhere,
}

/// A template, for those who fork from it.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// One process, and when that has ended none.
    Single(Arc<Line>),
    /// One process after the other.
    Restartable(Arc<Restartable>),
}

/// A template's process that is asked for something. It is not told to end meanwhile.
#[derive(Debug)]
pub(crate) struct Held {
    line: Arc<Line>,
    /// How long it had to be waited for.
    pub(crate) waited: Duration,
    _tenure: Option<Arc<Tenure>>,
}

impl Held {
    pub(crate) fn of(tenure: Arc<Tenure>, waited: Duration) -> Self {
        Held { line: Arc::clone(&tenure.line), waited, _tenure: Some(tenure) }
    }
}

impl From<Arc<Line>> for Held {
    fn from(line: Arc<Line>) -> Self {
        Held { line, waited: Duration::ZERO, _tenure: None }
    }
}

impl Deref for Held {
    type Target = Arc<Line>;

    fn deref(&self) -> &Arc<Line> {
        &self.line
    }
}

impl Source {
    /// The process that the template is now, to be asked for something. One that restarts by itself is restarted if it has ended, which may take until
    /// `limit`.
    pub(crate) fn hold(&self, step: &'static str, limit: Duration) -> Result<Held> {
        match self {
            Source::Single(line) if line.is_foreign() => Err(Error::foreign(step)),
            Source::Single(line) => Ok(Arc::clone(line).into()),
            Source::Restartable(template) => template.hold(step, limit),
        }
    }

    /// Has processes forked in advance from now on.
    pub(crate) fn set_spares(&self, spares: Spares) -> Result<()> {
        match self {
            Source::Single(line) => line.set_spares(spares),
            Source::Restartable(template) => template.set_spares(spares),
        }
    }

    /// The process that the template is now, alive or not.
    pub(crate) fn line(&self) -> Option<Arc<Line>> {
        match self {
            Source::Single(line) => Some(Arc::clone(line)),
            Source::Restartable(template) => template.line(),
        }
    }
}

impl Origin {
    /// Orders a process, and gives it its first orders. It `prepares` if more orders may follow.
    pub(crate) fn launch(&self, orders: Outbox, options: &Options, prepares: bool) -> Result<Launched> {
        let bound = options.role == Role::Bound && !prepares;
        let held = match self {
            Origin::Interpreter(command) => return interpreter::start(command, bound, packed(orders)?),
            Origin::Template(template) => template.hold("fork", options.deadline)?,
            _ => default_template::get()?.into(),
        };
        let mut launched = match held.take_spare() {
            Some(spare) => {
                let mut launched = Launched::spare(Arc::clone(&held), spare);
                launched.give(orders, bound).inspect_err(|_| launched.give_up())?;
                launched
            }
            None => self.order(&held, orders, if prepares { Role::Preparing } else { options.role })?,
        };
        launched.waited = held.waited;
        held.refill();
        Ok(launched)
    }

    fn order(&self, line: &Arc<Line>, orders: Outbox, role: Role) -> Result<Launched> {
        let mut orders = packed(orders)?;
        let mut new = New::Fork;
        if let Origin::FreshExec(allowed) = self {
            let nonce = handover::nonce()?;
            let mut greeting = Outbox::default();
            default_template::greet(&mut greeting, &nonce, false)?;
            if role == Role::Bound {
                // A fresh image knows nothing of what its fork was told.
                greeting.push(&Order::Bind, []);
            }
            greeting.append(orders);
            orders = greeting;
            new = New::Exec(nonce, allowed.as_ref());
        }
        let (id, place) = line.fork(role, new, Descriptors::new(), orders)?;
        let mut launched = Launched::by(Arc::clone(line), id, place);
        launched.prepares = role == Role::Preparing;
        Ok(launched)
    }
}

fn packed(mut orders: Outbox) -> Result<Outbox> {
    orders.pack().map_err(|error| Error::system("put orders into a memory file", error))?;
    Ok(orders)
}
