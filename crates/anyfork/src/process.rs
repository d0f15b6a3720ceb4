//! A process that is being prepared: it collects arguments, descriptors and preparation steps, and then runs an entry or
//! becomes a template.

use crate::argument::{self, ToArg};
use crate::channel::{Dialect, Outbox};
use crate::entry::ToEntry;
use crate::error::{Error, ErrorKind, Result};
use crate::launched::Launched;
use crate::options::Options;
use crate::origin::Origin;
use crate::recipe::Recipe;
use crate::served::{Native, Runs, Server};
use crate::starting::{Started, Starting};
use crate::sys::memfd;
use crate::sys::socket;
use crate::template::Template;
use crate::trace;
use crate::wire::{INLINE_ARGUMENT, Order, Role};
use crate::worker::Worker;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// How long a start or a preparation may take, if nothing else is said.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// No arguments, for a [`Process::call`] of an entry without parameters.
pub const NO_ARGS: [&str; 0] = [];

/// The longest name of an entry, in bytes.
pub(crate) const LONGEST_NAME: usize = 4096;

/// A process that is being prepared.
///
/// Collect what it is to have, in the order in which its entry's parameters want it, then [`run`](Process::run) an entry in it or make it a
/// [`template`](Process::template). Errors on the way are kept and come out there.
///
/// Nothing blocks before that, and nothing is started, except by [`call`](Process::call), `load`, `eval` and the like, which send the process
/// off to prepare itself while the program goes on. (The first start of all starts the default template, and the first of a template that [restarts by itself](crate::Restarts::automatic) and
/// was killed waits until it is there again.) **Dropping** a `Process` ends what was started.
///
/// ```
/// use std::fs::File;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// #[anyfork::entry]
/// fn head(mut socket: UnixStream, file: File, bytes: u64) -> std::io::Result<()> {
///     std::io::copy(&mut file.take(bytes), &mut socket).map(drop)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = File::open("/proc/self/exe")?;
/// let worker = anyfork::Process::new().fd(&file).arg(4).blocking_socket(true).run(head)?;
/// let mut magic = [0; 4];
/// worker.socket().read_exact(&mut magic)?;
/// assert_eq!(&magic, b"\x7fELF");
/// # Ok(())
/// # }
/// ```
///
/// `S` is [what serves it](Server): the program itself, if nothing is said.
#[derive(Debug)]
pub struct Process<S: Server = Native> {
    pub(crate) origin: Origin,
    pub(crate) orders: Outbox,
    pub(crate) options: Options,
    pub(crate) launched: Option<Launched>,
    /// The names of the steps that it has been sent off with.
    pub(crate) prepared: Vec<String>,
    /// Of a template that may be restarted: what has been sent so far.
    pub(crate) recipe: Option<Box<Recipe>>,
    /// Where the caller's trace is.
    context: Option<String>,
    /// The first thing that went wrong.
    pub(crate) error: Option<Error>,
    server: PhantomData<fn() -> S>,
}

impl Default for Process<Native> {
    fn default() -> Self {
        Self::new()
    }
}

impl Process<Native> {
    /// A process forked from the default template: a small process that was started from the program's own image and has run none of
    /// its code. (AnyEvent::Fork's `new`.)
    ///
    /// The default template is started on first use, which takes some milliseconds once. It has the environment, the
    /// current directory, the umask, the user, groups and privileges, and the standard input, output and error that the program has then.
    pub fn new() -> Self {
        Self::of(Origin::DefaultTemplate)
    }

    /// A process that is a fresh exec of the program's own image: own address layout, nothing shared. (AnyEvent::Fork's
    /// `new_exec`.) Slower than [`new`](Process::new).
    ///
    /// It is started by the default template, as external programs are: the memory of neither the program nor the template is copied.
    ///
    /// ```
    /// # use {std::io::{Read, Write}, std::os::unix::net::UnixStream};
    /// static SOMETHING: u8 = 1;
    ///
    /// #[anyfork::entry]
    /// fn address(mut socket: UnixStream) -> std::io::Result<()> {
    ///     write!(socket, "{:p}", &raw const SOMETHING) // at another place in each such process
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let worker = anyfork::Process::exec().blocking_socket(true).run(address)?;
    /// let mut there = String::new();
    /// worker.into_socket().read_to_string(&mut there)?;
    /// # assert!(there.starts_with("0x"), "{there}");
    /// println!("here at {:p}, there at {there}", &raw const SOMETHING);
    /// # Ok(())
    /// # }
    /// ```
    pub fn exec() -> Self {
        Self::of(Origin::FreshExec(None))
    }

    /// Where the caller's trace is, for the span `run` of the entry and for [`trace_context`](crate::trace_context()) in the worker: a W3C `traceparent`, say. If nothing is set, and a
    /// subscriber is there, it is the span in which the process is started.
    ///
    /// At most 4,096 bytes. With the feature `tracing`.
    ///
    /// ```
    /// #[anyfork::entry]
    /// fn work() {
    ///     assert_eq!(anyfork::trace_context(), Some("request 7"));
    /// }
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// assert!(anyfork::Process::new().trace_context("request 7").run(work)?.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tracing")]
    pub fn trace_context(mut self, context: impl Into<String>) -> Self {
        let context = context.into();
        if context.len() > LONGEST_NAME {
            self.keep(Error::new(ErrorKind::InvalidInput, "trace_context", "a context is at most 4096 bytes"));
        }
        self.context = Some(context);
        self
    }
}

impl<S: Server> Process<S> {
    pub(crate) fn of(origin: Origin) -> Self {
        let options = Options::new(Role::Free);
        let (orders, server) = (Outbox::new(S::DIALECT), PhantomData);
        Process {
            origin,
            orders,
            options,
            launched: None,
            prepared: Vec::new(),
            recipe: None,
            context: None,
            error: None,
            server,
        }
    }

    /// Adds an argument: any octets, also none, also with NULs. Numbers are written in decimal.
    ///
    /// It is copied at once. Above 64 KiB it travels in a sealed memory file (memfd_create(2)), which an entry can take without
    /// another copy as a [`Blob`](crate::Blob).
    pub fn arg(mut self, arg: impl ToArg) -> Self {
        let octets = arg.to_arg();
        if let Err(error) = argument::check_length("arg", S::DIALECT, octets.len()) {
            self.keep(error);
        } else if octets.len() <= INLINE_ARGUMENT || S::DIALECT == Dialect::Serve {
            self.orders.push(&Order::Arg(&octets), []);
        } else {
            match memfd::sealed(&octets) {
                Ok(file) => self.orders.push(&Order::SealedArg, [file]),
                Err(error) => self.keep(Error::system("put an argument into a memory file", error)),
            }
        }
        self
    }

    /// Adds arguments: as [`arg`](Process::arg) for each.
    pub fn args<I>(self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: ToArg,
    {
        args.into_iter().fold(self, Process::arg)
    }

    /// Adds a descriptor, borrowed (`&file`) or owned.
    ///
    /// It is duplicated at once (dup(2): both refer to the same open file, its position included), so the caller may go on using his
    /// or close it. The duplicate is closed here when it has been sent.
    pub fn fd(self, fd: impl AsFd) -> Self {
        self.fds([fd])
    }

    /// Adds descriptors: as [`fd`](Process::fd) for each. There may be thousands, as far as the limits of both processes
    /// go (getrlimit(2), RLIMIT_NOFILE).
    pub fn fds<I>(mut self, fds: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsFd,
    {
        let copy = |fd: I::Item| {
            let fd = fd.as_fd();
            fd.try_clone_to_owned().map_err(|error| (fd.as_raw_fd(), error))
        };
        let copies: std::result::Result<Vec<OwnedFd>, _> = fds.into_iter().map(copy).collect();
        match copies {
            Ok(copies) => {
                let mut copies = copies.into_iter().peekable();
                while copies.peek().is_some() {
                    self.orders.push(&Order::Descriptors, copies.by_ref().take(socket::DESCRIPTORS_PER_MESSAGE));
                }
            }
            Err((number, error)) => self.keep(Error::system(format!("duplicate descriptor {number}"), error)),
        }
        self
    }

    /// What `ps` shows of the process, instead of the entry's name: `anyfork: NAME of 1234 (program)`. At most 1,024 bytes, without a NUL.
    ///
    /// ```
    /// #[anyfork::entry]
    /// fn look() {
    ///     let title = std::fs::read_to_string("/proc/self/cmdline").unwrap();
    ///     assert!(title.starts_with("anyfork: thumbnails of "), "{title}");
    /// }
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// assert!(anyfork::Process::new().name("thumbnails").run(look)?.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if name.contains('\0') || name.len() > 1024 {
            self.keep(Error::new(ErrorKind::InvalidInput, "name", "a name is at most 1024 bytes without NUL"));
        } else {
            self.orders.push(&Order::Name(name.as_bytes()), []);
        }
        self
    }

    /// Starts an entry in the process. Never blocks, except that the first start of a program starts the default template.
    ///
    /// The result is a value that an event loop can wait for; errors come from there. The entry gets the process's socket (if its first parameter wants it) and all arguments and
    /// descriptors, those inherited from its template first.
    pub fn start<By>(mut self, entry: impl ToEntry<By>) -> Starting<Worker>
    where
        S: Runs<By>,
    {
        let entry = entry.entry_name();
        if entry.len() > LONGEST_NAME {
            self.keep(Error::new(ErrorKind::InvalidInput, "start", "an entry's name is at most 4096 bytes"));
        }
        if let Some(context) = self.context.take().or_else(trace::current_context) {
            self.orders.push(&Order::Context(context.as_bytes()), []);
        }
        self.orders.push(&Order::Run { entry: entry.as_bytes() }, []);
        self.finish((), format!("start {entry}"))
    }

    /// Starts an entry in the process and waits until it has been entered: [`start`](Process::start) and
    /// [`wait`](Starting::wait). Blocks.
    ///
    /// # Errors
    /// As [`Starting::try_finish`].
    pub fn run<By>(self, entry: impl ToEntry<By>) -> Result<Worker>
    where
        S: Runs<By>,
    {
        self.start(entry).wait()
    }

    /// Makes the process a template, as a value that an event loop can wait for. Never blocks (but see [`start`](Process::start)).
    pub fn start_template(mut self) -> Starting<Template<S>> {
        let recipe = self.take_recipe();
        self.orders.push(&Order::Template, []);
        self.finish(recipe, "make a template".into())
    }

    /// Makes the process a template and waits until its preparation has succeeded. Blocks. What is queued is inherited by every fork.
    ///
    /// # Errors
    /// As [`Starting::try_finish`]; [`Threads`](ErrorKind::Threads) if the preparation left threads.
    pub fn template(self) -> Result<Template<S>> {
        self.start_template().wait()
    }

    /// A process that somebody else started.
    pub(crate) fn elsewhere(launched: Launched) -> Self {
        let mut process = Self::of(Origin::Elsewhere);
        process.launched = Some(launched);
        process
    }

    fn finish<T: Started>(mut self, parts: T::Parts, mut what: String) -> Starting<T> {
        if !self.prepared.is_empty() {
            what += &format!(", prepared by {}", self.prepared.join(", "));
        }
        let launched = self.take_launched(false);
        Starting::new(launched, parts, self.options, what)
    }

    /// The process, with all that was queued: from here on somebody else sees to its end.
    pub(crate) fn take_launched(&mut self, prepares: bool) -> Result<Launched> {
        self.launch(prepares)?;
        self.launched.take().ok_or_else(|| Error::new(ErrorKind::ProcessGone, "start", ""))
    }

    /// Whether it has been given anything.
    pub(crate) fn has_begun(&self) -> bool {
        self.launched.is_some() || !self.orders.is_empty()
    }

    /// Gives the process what is queued, and starts it if that has not been done.
    pub(crate) fn launch(&mut self, prepares: bool) -> Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.options.role == Role::Bound {
            self.check_binding()?;
        }
        self.record()?;
        let orders = self.orders.take();
        match &mut self.launched {
            Some(launched) => launched.give(orders, self.options.role == Role::Bound && !prepares),
            None => {
                self.launched = Some(self.origin.launch(orders, &self.options, prepares)?);
                Ok(())
            }
        }
    }

    fn record(&mut self) -> Result<()> {
        self.recipe.as_mut().map_or(Ok(()), |recipe| recipe.record(&self.orders))
    }

    /// The recipe of the template that it becomes: all that it was given.
    fn take_recipe(&mut self) -> Option<Box<Recipe>> {
        if let Err(error) = self.record() {
            self.keep(error);
        }
        let mut recipe = self.recipe.take()?;
        (recipe.origin, recipe.options) = (self.origin.clone(), self.options);
        Some(recipe)
    }

    fn check_binding(&self) -> Result<()> {
        let message = match self.origin {
            Origin::Elsewhere => "a process that another program started cannot be bound to this one",
            _ if !S::BINDS => "a process of this server cannot be bound to the end of the program",
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::Unsupported, "die_with_owner", message))
    }

    pub(crate) fn keep(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }
}

/// A process that was started and is not wanted any more ends, whatever it is doing.
impl<S: Server> Drop for Process<S> {
    fn drop(&mut self) {
        if let Some(launched) = &mut self.launched {
            launched.give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_deadline_may_be_as_long_as_it_likes() {
        let deadline = |limit, waited| Process::new().deadline(limit).options.deadline_from_now(waited);
        let year = Duration::from_secs(366 * 24 * 3600);
        assert!(deadline(Duration::MAX, Duration::ZERO) > Instant::now() + year);
        assert!(deadline(2 * year, year) < Instant::now() + 2 * year);
        assert!(deadline(year, 2 * year) <= Instant::now());
    }
}
