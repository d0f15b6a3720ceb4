//! What a template was made from, kept so that it can be made once more: where it came from, and every order that it was given.

use crate::channel::{Dialect, Outbox};
use crate::error::{Error, ErrorKind, Result};
use crate::launched::Launched;
use crate::options::Options;
use crate::origin::{Origin, Source};
use crate::restarts::Restarts;
use crate::served::Server;
use crate::starting::{Started, Starting};
use crate::template::Template;
use crate::wire::Order;
use std::fmt;

pub struct Recipe {
    pub(crate) restarts: Restarts,
    pub(crate) options: Options,
    pub(crate) origin: Origin,
    /// All but the last one, by which it becomes a template.
    orders: Outbox,
}

impl Recipe {
    pub(crate) fn new(restarts: Restarts, origin: Origin, options: Options, dialect: Dialect) -> Self {
        Recipe { restarts, options, origin, orders: Outbox::new(dialect) }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.orders.dialect
    }

    /// Keeps these orders, too, with duplicates of their descriptors.
    pub(crate) fn record(&mut self, orders: &Outbox) -> Result<()> {
        let orders = orders.try_clone().map_err(|error| Error::system("keep a descriptor for restarts", error))?;
        self.orders.append(orders);
        Ok(())
    }

    /// Makes the template once more. Never blocks, unless where it comes from has to be started first.
    pub(crate) fn start<T: Started>(&self, parts: T::Parts, what: &str) -> Starting<T> {
        Starting::new(self.launch(what), parts, self.options, what.to_owned())
    }

    fn launch(&self, what: &str) -> Result<Launched> {
        let copied = self.orders.try_clone();
        let mut orders = copied.map_err(|error| Error::system(format!("{what}: duplicate a descriptor"), error))?;
        orders.push(&Order::Template, []);
        // Until it is ready it counts as one that is being prepared, and ends with the program.
        self.origin.launch(orders, &self.options, true).map_err(|error| match (&self.origin, error.kind()) {
            (Origin::Template(_), ErrorKind::TemplateGone) => {
                let message = format!("it was forked from another template: {error}");
                Error::new(ErrorKind::TemplateGone, what.to_owned(), message)
            }
            _ => error,
        })
    }

    /// A template by this recipe.
    pub(crate) fn make<S: Server>(self) -> Starting<Template<S>> {
        let what = "make a template";
        let launched = self.launch(what);
        let options = self.options;
        Starting::new(launched, Some(Box::new(self)), options, what.to_owned())
    }

    /// The recipe for the same in a fresh image, which shares nothing with the templates that it came from: what these were given comes first.
    pub(crate) fn fresh(&self) -> Result<Recipe> {
        let mut orders = Outbox::new(self.dialect());
        let origin = self.gather(&mut orders)?;
        Ok(Recipe { restarts: self.restarts, options: self.options, origin, orders })
    }

    fn gather(&self, all: &mut Outbox) -> Result<Origin> {
        let origin = match &self.origin {
            Origin::DefaultTemplate => Origin::FreshExec(None),
            Origin::FreshExec(allowed) => Origin::FreshExec(allowed.clone()),
            Origin::Interpreter(command) => Origin::Interpreter(command.clone()),
            Origin::Template(Source::Restartable(template)) => template.recipe().gather(all)?,
            Origin::Template(Source::Single(_)) | Origin::Elsewhere => {
                let message = "it was forked from a template that has not kept its recipe: call `restarts` there, too";
                return Err(Error::new(ErrorKind::Unsupported, "fresh", message));
            }
        };
        let orders = self.orders.try_clone().map_err(|error| Error::system("fresh: duplicate a descriptor", error))?;
        all.append(orders);
        Ok(origin)
    }
}

/// Without the arguments, which may be secrets.
impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recipe { restarts, origin, orders, .. } = self;
        f.debug_struct("Recipe")
            .field("restarts", restarts)
            .field("origin", origin)
            .field("bytes", &orders.bytes.len())
            .field("descriptors", &orders.descriptors.len())
            .finish()
    }
}
