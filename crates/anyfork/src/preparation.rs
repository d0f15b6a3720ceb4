//! The steps that a process takes before it runs or becomes a template: functions called, code evaluated, modules loaded.

use crate::argument::{self, ToArg};
use crate::entry::ToEntry;
use crate::error::{Error, ErrorKind, Result};
use crate::process::{LONGEST_NAME, Process};
use crate::served::{Evaluates, Native, Runs, Server};
use crate::wire::Order;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl<S: Server> Process<S> {
    /// Runs an entry in the process now, to prepare it: to load data, to warm caches. (What AnyEvent::Fork does with `eval`.)
    ///
    /// The process is started by this and works while the program goes on. The entry gets `args` ([`NO_ARGS`](crate::NO_ARGS) if it takes none) as its inputs, not those
    /// that are queued, and no socket. If it returns an error or panics, the process ends, and [`run`](Process::run) or [`template`](Process::template) fail with
    /// [`Preparation`](ErrorKind::Preparation) and its message. What it opens and leaves open stays open in the process
    /// and in all its forks.
    ///
    /// ```
    /// #[anyfork::entry]
    /// fn load(path: String) -> std::io::Result<()> {
    ///     std::fs::read(path).map(drop)
    /// }
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// let error = anyfork::Process::new().call(load, ["/nope"]).template().unwrap_err();
    /// assert_eq!(error.kind(), anyfork::ErrorKind::Preparation);
    /// assert!(error.to_string().ends_with("No such file or directory (os error 2)"), "{error}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<By, I>(mut self, entry: impl ToEntry<By>, args: I) -> Self
    where
        S: Runs<By>,
        I: IntoIterator,
        I::Item: ToArg,
    {
        let entry = entry.entry_name();
        if entry.len() > LONGEST_NAME {
            self.keep(Error::new(ErrorKind::InvalidInput, "call", "an entry's name is at most 4096 bytes"));
        }
        let args: Vec<I::Item> = args.into_iter().collect();
        let octets: Vec<_> = args.iter().map(ToArg::to_arg).collect();
        let wired = argument::wire("call", S::DIALECT, &octets);
        self.prepare(wired.map(|(args, files)| (Order::Call { entry: entry.as_bytes(), args }, files)))
    }

    /// Evaluates code in the process now, to prepare it: statements of the [server](Server)'s language, in its main module, so that a function defined
    /// here can be [run](Process::run) by its bare name. (AnyEvent::Fork's `eval`.)
    ///
    /// `args` ([`NO_ARGS`](crate::NO_ARGS) for none) are octets: in Python `args`, a list of `bytes`; in Perl `@_`. As with [`call`](Process::call) the process is started by this, and an error comes
    /// out of [`run`](Process::run) or [`template`](Process::template): [`Preparation`](ErrorKind::Preparation), with the traceback or message.
    ///
    /// ```
    /// # use anyfork::{Process, Python};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let template = Python::new("python3")
    ///     .eval("def shout(socket): socket.sendall(word.upper())\nword = args[0]", ["hello"])
    ///     .template()?;
    /// let worker = template.fork().run("shout")?;
    /// let mut answer = String::new();
    /// worker.socket().set_nonblocking(false)?;
    /// std::io::Read::read_to_string(&mut worker.socket(), &mut answer)?;
    /// assert_eq!(answer, "HELLO");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The program itself has nothing to evaluate:
    ///
    /// ```compile_fail
    /// anyfork::Process::new().eval("1 + 1", anyfork::NO_ARGS);
    /// ```
    pub fn eval<I>(self, code: impl ToArg, args: I) -> Self
    where
        S: Evaluates,
        I: IntoIterator,
        I::Item: ToArg,
    {
        let args: Vec<I::Item> = args.into_iter().collect();
        let octets: Vec<_> = std::iter::once(code.to_arg()).chain(args.iter().map(ToArg::to_arg)).collect();
        let wired = argument::wire("eval", S::DIALECT, &octets);
        self.prepare(wired.map(|(args, files)| (Order::Eval { args }, files)))
    }

    /// Sends the process off to prepare itself.
    pub(crate) fn prepare(mut self, order: Result<(Order<'_>, Vec<OwnedFd>)>) -> Self {
        let prepared = order.and_then(|(order, files)| {
            if let Order::Load { name, path } = order
                && name.len().max(path.len()) > LONGEST_NAME
            {
                return Err(Error::new(ErrorKind::InvalidInput, "load", "a module's name is at most 4096 bytes"));
            }
            if self.error.is_none() {
                self.prepared.push(named(&order));
                self.orders.push(&order, files);
                self.launch(true)?;
            }
            Ok(())
        });
        if let Err(error) = prepared {
            self.keep(error);
        }
        self
    }
}

/// What a step is called in errors of those who do not hear what became of it.
fn named(order: &Order<'_>) -> String {
    let name = match *order {
        Order::Call { entry, .. } => entry,
        Order::Load { name: b"", path } => path,
        Order::Load { name, .. } => name,
        _ => b"code",
    };
    String::from_utf8_lossy(name).into_owned()
}

impl Process<Native> {
    /// Loads a module into the process now: a shared library whose entries can then be [run](Process::run) and [called](Process::call) as those of the program, under
    /// their names: `"resize::thumbnail"`. (AnyEvent::Fork's `require`, for compiled code.)
    ///
    /// A module is a Rust `cdylib` with `#[anyfork::entry]` functions and [`anyfork::module!()`](crate::module!), or a library in C, C++, Zig with the table of
    /// [`anyfork.h`](https://docs.rs/crate/anyfork/latest/source/include/anyfork.h). Only C types cross the boundary: module and program may be built by different compilers.
    ///
    /// With a slash, `file` is a path, which begins at this program's current directory. Without, it is looked for beside this program's executable, and then as dlopen(3) does: `LD_LIBRARY_PATH`, the
    /// system's directories. It is loaded with `RTLD_NOW | RTLD_LOCAL` and never unloaded. Loading it again does nothing. In a template it is loaded once, and shared by all
    /// forks. A new version of the file is for new templates: replace it by rename(2), never by writing into it, and those who have the old one go on with that, also if they load the same path again. The file has to
    /// stay until [`run`](Process::run) or [`template`](Process::template) has returned: the process loads it while this program goes on.
    ///
    /// As with [`call`](Process::call) the process is started by this, and an error comes out of [`run`](Process::run) or [`template`](Process::template): [`Load`](ErrorKind::Load) if
    /// there is no such file (the message says what was tried), if it is no module or one of another version, if this program is linked statically, if a symbol is missing, or if its constructors have left a descriptor open;
    /// [`Threads`](ErrorKind::Threads) if they have left a thread; [`AmbiguousEntry`](ErrorKind::AmbiguousEntry) if a name is registered already; [`ProcessGone`](ErrorKind::ProcessGone) with the exit status if
    /// a constructor crashes, [`Deadline`](ErrorKind::Deadline) if it hangs.
    ///
    /// ```no_run
    /// # fn main() -> anyfork::Result<()> {
    /// let template = anyfork::Process::new().load("/opt/images/libresize.so").template()?;
    /// let worker = template.fork().arg(200).run("resize::thumbnail")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn load(self, file: impl AsRef<Path>) -> Self {
        let file = file.as_ref();
        let is_path = file.as_os_str().as_bytes().contains(&b'/');
        let path = if is_path { std::path::absolute(file) } else { Ok(file.to_owned()) };
        match &path {
            Ok(path) if !path.as_os_str().is_empty() => {
                self.prepare(Ok((Order::Load { name: b"", path: path.as_os_str().as_bytes() }, Vec::new())))
            }
            _ => self.prepare(Err(Error::new(ErrorKind::InvalidInput, "load", "no file is named"))),
        }
    }
}
