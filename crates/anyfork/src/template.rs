//! Templates: prepared processes that only fork.

use crate::command::Command;
use crate::default_template;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::origin::{Origin, Source};
use crate::process::Process;
use crate::restartable::Restartable;
use crate::served::{Native, Server};
use crate::starting::Starting;
use crate::wire::Role;
use std::ffi::OsStr;
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// A prepared process that only forks. Its forks have its memory (copied when they write to it) and its queued arguments and
/// descriptors.
///
/// Many threads may fork from one template at once. **Dropping** it ends it, a moment later, and a [`Process`] of it that has not been [started](Process::start) by then never is ([`TemplateGone`](ErrorKind::TemplateGone)); its workers and the templates made
/// from it go on. (If it does not take what it was told, as it is stopped, the drop blocks for 100 ms at the longest, and the rest is sent when anyfork is used next.) Workers that [die with their owner](Process::die_with_owner) keep the process of a dropped template
/// until they have ended.
///
/// A template sees nothing of the terminal: Ctrl-C, Ctrl-\ and Ctrl-Z are the program's. It ends when the program ends.
///
/// ```
/// use std::sync::OnceLock;
///
/// static WORDS: OnceLock<Vec<String>> = OnceLock::new();
///
/// #[anyfork::entry]
/// fn load(words: String) {
///     WORDS.get_or_init(|| words.split(' ').map(str::to_owned).collect());
/// }
///
/// #[anyfork::entry]
/// fn count(expected: usize) {
///     assert_eq!(WORDS.get().map(Vec::len), Some(expected));
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// let template = anyfork::Process::new().call(load, ["loaded once, seen by all"]).template()?;
/// for _ in 0..3 {
///     assert!(template.fork().arg(5).run(count)?.wait()?.success());
/// }
/// # Ok(())
/// # }
/// ```
///
/// `S` is [what serves it](Server) and its forks.
pub struct Template<S: Server = Native> {
    source: Source,
    server: PhantomData<fn() -> S>,
}

impl Template<Native> {
    /// An external program that is started by this template: with its namespaces, limits and control group, whoever prepared it with those.
    ///
    /// Environment, current directory, umask, standard input, output and error are the caller's, as for [`Command::new`]; user and groups are the template's.
    ///
    /// ```
    /// #[anyfork::entry]
    /// fn confine() -> std::io::Result<()> {
    ///     let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
    ///     Ok(rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?)
    /// }
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// let template = anyfork::Process::new().call(confine, anyfork::NO_ARGS).template()?;
    /// let output = template.command("sh").args(["-c", "ulimit -n"]).output()?;
    /// assert_eq!(output.stdout, b"64\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::of(Origin::Template(self.source.clone()), program.as_ref())
    }

    /// Makes this the template from which [`Process::new`] forks.
    pub(crate) fn into_default(self) -> Result<()> {
        if let Source::Single(line) = &self.source
            && default_template::set(Arc::clone(line))
        {
            // The handle is gone, the template stays.
            std::mem::forget(self);
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "early", "there is a default template already"))
    }
}

impl<S: Server> Template<S> {
    pub(crate) fn of(source: Source) -> Self {
        Template { source, server: PhantomData }
    }

    /// A process forked from this template. Nothing is started yet: see [`Process`].
    pub fn fork(&self) -> Process<S> {
        Process::of(Origin::Template(self.source.clone()))
    }

    /// Makes the template once more by its [recipe](Process::restarts), and lets it take the place of what it was: [`start_restart`](Template::start_restart) and [`wait`](Starting::wait). Blocks until the new process is
    /// ready.
    ///
    /// For a template that has ended, and for one that lives: whose memory has grown, whose data are old, whose modules have a new version. Then forks come from the old process until the new one is ready, and none is lost in between. The
    /// old one ends as by a drop: what has been started from it goes on, and exit statuses arrive as ever. (One that is stopped ends when it is continued.) The [spares](Template::spares) that are wanted are forked anew.
    /// Processes of this template that are being prepared stay with the one from which they were forked; those that have not been started yet come from the new one.
    ///
    /// If it fails, the template is what it was before. Automatic restarts are counted anew when it succeeds.
    ///
    /// ```
    /// # use anyfork::{Process, Restarts};
    /// # #[anyfork::entry] fn load(_words: String) {}
    /// # #[anyfork::entry] fn work() {}
    /// # fn main() -> anyfork::Result<()> {
    /// let template = Process::new().restarts(Restarts::by_hand()).call(load, ["words"]).template()?;
    /// template.restart()?; // `load` has run again
    /// assert!(template.fork().run(work)?.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if it has no recipe: call [`Process::restarts`] first. [`TemplateGone`](ErrorKind::TemplateGone) if it was forked from another one that is gone: restart that one first.
    /// [`System`](ErrorKind::System) if descriptors cannot be duplicated. Else as [`Process::template`].
    pub fn restart(&self) -> Result<()> {
        self.start_restart().wait()
    }

    /// The same, as a value that an event loop can wait for. Never blocks (but see [`Process::start`]). The new process takes over when the value has finished; **dropping** it before gives the restart up.
    pub fn start_restart(&self) -> Starting<()> {
        match self.restartable("restart") {
            Ok(template) => template.start(),
            Err(error) => Starting::failed(error, Options::new(Role::Free), "restart a template".into()),
        }
    }

    /// Another template by the same [recipe](Process::restarts), by a new exec of the program's image (of the interpreter): with an address layout of its own, and nothing shared with any other process. Blocks until it is ready. What
    /// the templates were given from which this one was forked, it is given first, so they must have kept their recipes, too.
    ///
    /// It has a recipe of its own, and the [`Restarts`](crate::Restarts) of this one, which stays as it is. (Templates that come from [`Process::new`], and all their forks, have the layout of the default template.)
    ///
    /// ```
    /// # use anyfork::{Process, Restarts};
    /// # #[anyfork::entry] fn work() {}
    /// # fn main() -> anyfork::Result<()> {
    /// let template = Process::new().restarts(Restarts::by_hand()).template()?;
    /// let other = template.fresh()?; // nobody there knows an address of this one
    /// assert!(other.fork().run(work)?.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if it, or one that it was forked from, has no recipe. Else as [`Process::template`].
    pub fn fresh(&self) -> Result<Template<S>> {
        self.start_fresh().wait()
    }

    /// The same, as a value that an event loop can wait for. Never blocks (but see [`Process::start`]).
    pub fn start_fresh(&self) -> Starting<Template<S>> {
        let recipe = self.restartable("fresh").and_then(|template| template.recipe().fresh());
        match recipe {
            Ok(recipe) => recipe.make(),
            Err(error) => Starting::failed(error, Options::new(Role::Free), "make a template".into()),
        }
    }

    fn restartable(&self, step: &'static str) -> Result<&Arc<Restartable>> {
        let Source::Restartable(template) = &self.source else {
            let message = "it has kept no recipe: call `restarts` of its process before anything else";
            return Err(Error::new(ErrorKind::Unsupported, step, message));
        };
        template.check_maker(step).map(|()| template)
    }

    /// The number of the template's process. After a [restart](Template::restart) it is another one.
    pub fn pid(&self) -> u32 {
        self.source.line().and_then(|line| Some(line.identity()?.pid)).unwrap_or(0)
    }

    /// The template's pidfd, pidfd_open(2): readable when its process has ended. `None` where the system refuses pidfds. After a [restart](Template::restart) it is another one; this one stays valid.
    pub fn pidfd(&self) -> Option<Arc<OwnedFd>> {
        self.source.line()?.identity()?.pidfd.clone()
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }
}

impl<S: Server> fmt::Debug for Template<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

/// How long a template that is a child of this program may take to end when it is dropped.
const END: Duration = Duration::from_millis(100);

impl<S: Server> Drop for Template<S> {
    fn drop(&mut self) {
        match &self.source {
            // Closed also means given away.
            Source::Single(line) if !line.is_foreign() && !line.is_closed() => {
                line.end();
                line.wait_for_end(END);
            }
            Source::Single(_) => {}
            Source::Restartable(template) => template.leave(),
        }
    }
}
