//! Templates: prepared processes that only fork.

use crate::command::Command;
use crate::default_template;
use crate::error::{Error, ErrorKind, Result};
use crate::line::Line;
use crate::process::{Origin, Process};
use crate::served::{Native, Server};
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// A prepared process that only forks. Its forks have its memory (copied when they write to it) and its queued arguments and
/// descriptors.
///
/// Many threads may fork from one template at once. **Dropping** it ends it, a moment later, and what it was to fork and has not been started yet never is ([`TemplateGone`](ErrorKind::TemplateGone)); its workers and the templates made
/// from it go on. Workers that [die with their owner](Process::die_with_owner) keep the process of a dropped template
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
#[derive(Debug)]
pub struct Template<S: Server = Native> {
    line: Arc<Line>,
    server: PhantomData<fn() -> S>,
}

impl Template<Native> {
    /// An external program that is started by this template: with its namespaces, limits and control group, whoever prepared it with those.
    ///
    /// Environment, current directory, umask, standard input, output and error are the caller's, as for [`Command::new`]; user and groups are the template's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::of(Origin::Template(Arc::clone(&self.line)), program.as_ref())
    }

    /// Makes this the template from which [`Process::new`] forks.
    pub(crate) fn into_default(self) -> Result<()> {
        if default_template::set(Arc::clone(&self.line)) {
            // The handle is gone, the template stays.
            std::mem::forget(self);
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "early", "there is a default template already"))
    }
}

impl<S: Server> Template<S> {
    pub(crate) fn new(line: Line) -> Self {
        Template { line: Arc::new(line), server: PhantomData }
    }

    /// A process forked from this template. Nothing is started yet: see [`Process`].
    pub fn fork(&self) -> Process<S> {
        Process::of(Origin::Template(Arc::clone(&self.line)))
    }

    /// The number of the template's process.
    pub fn pid(&self) -> u32 {
        self.line.identity().map_or(0, |identity| identity.pid)
    }

    /// The template's pidfd, pidfd_open(2): readable when it has ended. `None` where the system refuses pidfds.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.line.identity()?.pidfd.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn line(&self) -> &Line {
        &self.line
    }
}

/// How long a template that is a child of this program may take to end when it is dropped.
const END: Duration = Duration::from_millis(100);

impl<S: Server> Drop for Template<S> {
    fn drop(&mut self) {
        // Closed also means given away.
        if !self.line.is_foreign() && !self.line.is_closed() {
            self.line.end();
            self.line.wait_for_end(END);
        }
    }
}
