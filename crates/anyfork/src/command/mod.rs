//! External programs, with the face of `std::process::Command`.

mod attributes;
mod debug;
mod environment;
mod order;
mod rights;
mod stdio;

use crate::child::{Child, Output};
use crate::ending::{Ended, Ending};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::origin::Origin;
use crate::pty::PtySize;
use crate::starting::Starting;
use crate::status::ExitStatus;
use crate::wire::Role;
use attributes::Attributes;
use environment::Environment;
pub(crate) use order::Serving;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
pub(crate) use stdio::Pipes;
pub use stdio::Stdio;

/// An external program that is started by a template, not by this program: with the face of [`std::process::Command`], in the same time from a
/// program of 8 GB with a hundred threads as from a small one, whatever is asked for. Nothing blocks, and nothing is started, before [`spawn`](Command::spawn), [`start`](Command::start) and the like.
///
/// ```
/// use anyfork::{Command, Limit, Stdio};
/// use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut child = Command::new("sort")
///     .arg("-n")
///     .env("LC_ALL", "C")
///     .stdin(Stdio::piped())
///     .stdout(Stdio::piped())
///     .setsid(true) //                         what follows makes std fork the whole program
///     .rlimit(Limit::Cpu, 10, 10)
///     .kill_on_drop(true)
///     .spawn()?; //                            it runs, or an error that says which step failed
/// child.stdin.take().unwrap().write_all(b"10\n9\n")?;
/// let output = child.wait_with_output()?;
/// assert_eq!(output.stdout, b"9\n10\n");
/// assert!(output.status.success());
/// # Ok(())
/// # }
/// ```
///
/// What is not said here is as with std. The program gets, **as they are at the time of the start**: the environment, the current directory, the umask, standard input,
/// output and error, and user, groups and privileges of the caller. It is found by the `PATH` of its own environment; a
/// relative path is relative to [`current_dir`](Command::current_dir). A `std::process::Command` becomes one by `.into()`.
///
/// # What is different from std
///
/// - The program is not a child of this one: `waitpid` does not see it, no SIGCHLD comes, its parent process is the template. No zombie stays, waited for or not.
/// - Errors name the step, and no program that could not be started looks like one that ended with code 127.
/// - It begins with default signal dispositions and an empty signal mask; as std does it: [`inherit_signals`](Command::inherit_signals).
/// - Resource limits, nice value, CPU affinity, control group, namespaces and Landlock domain are those that this program had when the default template was
///   started, on first use; declare what it is to have instead. So are session and process group, which are the same unless this program left them.
/// - It has no other descriptors than 0, 1, 2 and those given by [`fd_at`](Command::fd_at), also where this program has some without close-on-exec.
/// - The current directory must be one that the caller may enter, or [`current_dir`](Command::current_dir) an absolute path.
/// - There is no unsafe `pre_exec`: see [`pre_exec_entry`](Command::pre_exec_entry) and the declared attributes.
/// - A script that does not begin with `#!` is an error. std gives it to a shell, but only where it forks.
/// - Strings in the environment that are no variables (without `=`) are not handed on.
/// - Names of variables with `=` and empty programs are errors ([`InvalidInput`](ErrorKind::InvalidInput)).
/// - A program that runs with privileges its caller does not have (set-user-ID, file capabilities), or whose effective user is not its real one, cannot
///   start the default template: [`Unsupported`](ErrorKind::Unsupported), see [`early`](crate::early()). Threads of one program that have different users take turns with
///   a template each time, which is slow.
/// - A program in a shared library loaded at run time, or in a chroot without `/proc`, needs a template first: see [`template_here`](crate::template_here()), [`early`](crate::early()).
pub struct Command {
    origin: Origin,
    program: OsString,
    arg0: Option<OsString>,
    args: Vec<OsString>,
    environment: Environment,
    directory: Option<PathBuf>,
    stdio: [Option<Stdio>; 3],
    pty: Option<PtySize>,
    attributes: Attributes,
    pub(crate) options: Options,
    /// The first thing that went wrong.
    error: Option<Error>,
}

impl Command {
    /// A program, with nothing said yet: no arguments, everything else as the caller has it. With a slash, a path; without, looked for in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::of(Origin::DefaultTemplate, program.as_ref())
    }

    pub(crate) fn of(origin: Origin, program: &OsStr) -> Self {
        Command {
            origin,
            program: program.to_owned(),
            arg0: None,
            args: Vec::new(),
            environment: Environment::default(),
            directory: None,
            stdio: [None, None, None],
            pty: None,
            attributes: Attributes::default(),
            options: Options::new(Role::Free),
            error: None,
        }
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<I>(&mut self, args: I) -> &mut Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// What the program sees as its own name, instead of how it was called.
    pub fn arg0(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.arg0 = Some(arg.as_ref().to_owned());
        self
    }

    /// Sets a variable of the program's environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.environment.changes.insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Sets variables.
    pub fn envs<I, K, V>(&mut self, variables: I) -> &mut Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Removes a variable.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        if self.environment.cleared {
            self.environment.changes.remove(name.as_ref());
        } else {
            self.environment.changes.insert(name.as_ref().to_owned(), None);
        }
        self
    }

    /// Removes all variables, those set before included.
    pub fn env_clear(&mut self) -> &mut Self {
        self.environment = Environment { cleared: true, ..Environment::default() };
        self
    }

    /// The directory in which the program begins. A relative one begins at the caller's.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Standard input. If nothing is said: inherited, but `/dev/null` with [`output`](Command::output).
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdio[0] = Some(stdin.into());
        self
    }

    /// Standard output. If nothing is said: inherited, but a pipe with [`output`](Command::output).
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdio[1] = Some(stdout.into());
        self
    }

    /// Standard error, likewise.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stdio[2] = Some(stderr.into());
        self
    }

    /// Runs the program in a new pseudoterminal of this size, pty(7): it leads a new session whose controlling terminal that is, and has it as
    /// standard input, output and error, as far as they are not set otherwise. [`Child::pty`](crate::Child::pty) is the other side. It must be read: a
    /// program waits when its terminal takes no more. [`status`](Command::status) and [`output`](Command::output) would not read it, and fail, unless standard output and error are set otherwise. See [`Pty`](crate::Pty).
    pub fn pty(&mut self, size: PtySize) -> &mut Self {
        self.pty = Some(size);
        self
    }

    /// How long a start may take, as [`Process::deadline`](crate::Process::deadline): 30 s if not set. It ends at the exec; how long the program runs is another matter.
    pub fn deadline(&mut self, deadline: Duration) -> &mut Self {
        self.options.deadline = deadline;
        self
    }

    /// Whether dropping the [`Child`] kills the program (SIGKILL).
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.options.kill_on_drop = kill;
        self
    }

    /// Whether the program is killed when this one ends, however it ends. Set-user-ID programs escape from that: the kernel forgets it.
    ///
    /// ```
    /// # use std::io::Read;
    /// #[anyfork::entry]
    /// fn crash(socket: std::os::unix::net::UnixStream) {
    ///     let mut command = anyfork::Command::new("sh");
    ///     command.args(["-c", "sleep 1; echo alive"]).stdout(socket).die_with_owner(true).spawn().unwrap();
    ///     rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let owner = anyfork::Process::new().blocking_socket(true).run(crash)?;
    /// assert_eq!(owner.wait()?.signal(), Some(libc::SIGKILL));
    /// assert_eq!(owner.socket().read(&mut [0])?, 0); // end-of-file: nobody has the other end
    /// # Ok(())
    /// # }
    /// ```
    pub fn die_with_owner(&mut self, die: bool) -> &mut Self {
        self.options.role = if die { Role::Bound } else { Role::Free };
        self
    }

    /// Starts the program. Never blocks, except that the first start of all starts the default template.
    ///
    /// The result is a value that an event loop can wait for; errors come from there. The `Command` may be started again.
    pub fn start(&mut self) -> Starting<Child> {
        self.start_with([&INHERIT; 3])
    }

    /// Starts the program and waits until it runs: its exec has succeeded. Blocks. (`start` and [`wait`](Starting::wait).)
    ///
    /// # Errors
    /// The step that failed, its object and the errno: `current_dir "/nope": No such file or directory`, `exec "/bin/x": Permission denied`. No process stays then.
    /// [`InvalidInput`](ErrorKind::InvalidInput) for what no program can get: a NUL in a string, for instance. Else as [`Starting::try_finish`].
    pub fn spawn(&mut self) -> Result<Child> {
        self.start().wait()
    }

    /// Starts the program and waits for its end. Blocks.
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn) and [`Child::wait`].
    pub fn status(&mut self) -> Result<ExitStatus> {
        self.check_no_terminal("status")?;
        self.spawn()?.wait()
    }

    /// Starts the program, takes in all that it writes to standard output and error, and waits for its end. Blocks.
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn) and [`Child::wait_with_output`].
    pub fn output(&mut self) -> Result<Output> {
        self.start_output().wait()
    }

    /// As [`status`](Command::status), as a value that an event loop can wait for. Never blocks. What is piped is closed when the program runs.
    ///
    /// **Dropping** it kills the program, as nobody has another handle to it.
    pub fn start_status(&mut self) -> Ending<ExitStatus> {
        self.start_to_end("status", [&INHERIT; 3])
    }

    /// As [`output`](Command::output), as a value that an event loop can wait for. Never blocks.
    ///
    /// **Dropping** it kills the program, as nobody has another handle to it.
    pub fn start_output(&mut self) -> Ending<Output> {
        self.start_to_end("output", [&NULL, &PIPED, &PIPED])
    }

    fn start_to_end<T: Ended>(&mut self, step: &'static str, defaults: [&stdio::Kind; 3]) -> Ending<T> {
        Ending::of(match self.check_no_terminal(step) {
            Ok(()) => self.start_with(defaults),
            Err(error) => Starting::failed(error, self.options, step.into()),
        })
    }

    /// Nobody would read what the program writes to its terminal.
    fn check_no_terminal(&self, step: &'static str) -> Result<()> {
        let [_, stdout, stderr] = &self.stdio;
        match self.pty {
            Some(_) if stdout.is_none() || stderr.is_none() => Err(Error::new(
                ErrorKind::InvalidInput,
                step,
                "nobody would read what goes to its terminal: use spawn, and read Child::pty",
            )),
            _ => Ok(()),
        }
    }

    fn start_with(&mut self, defaults: [&stdio::Kind; 3]) -> Starting<Child> {
        let mut what = format!("start {:?}", self.program);
        if let Some((entry, _)) = &self.attributes.entry {
            what += &format!(", prepared by {entry}");
        }
        match self.order(defaults) {
            Ok((launched, parts)) => Starting::new(Ok(launched), parts, self.options, what),
            Err(error) => Starting::failed(error, self.options, what),
        }
    }

    /// The program, as it was given.
    pub fn get_program(&self) -> &OsStr {
        &self.program
    }

    /// The arguments.
    pub fn get_args(&self) -> impl ExactSizeIterator<Item = &OsStr> {
        self.args.iter().map(OsString::as_os_str)
    }

    /// The changes to the environment: a value, or `None` for a variable that is removed.
    pub fn get_envs(&self) -> impl ExactSizeIterator<Item = (&OsStr, Option<&OsStr>)> {
        self.environment.changes.iter().map(|(name, value)| (name.as_os_str(), value.as_deref()))
    }

    /// The directory that was set.
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    fn keep(&mut self, error: Error) -> &mut Self {
        self.error.get_or_insert(error);
        self
    }
}

const INHERIT: stdio::Kind = stdio::Kind::Inherit;
const NULL: stdio::Kind = stdio::Kind::Null;
const PIPED: stdio::Kind = stdio::Kind::Piped;

/// Adopts program, arguments, changes to the environment and current directory: what std tells. It does not tell of `env_clear`, standard input,
/// output and error, users and groups, `arg0`, `process_group`, `setsid` and `pre_exec`.
impl From<std::process::Command> for Command {
    fn from(other: std::process::Command) -> Self {
        let mut command = Command::new(other.get_program());
        command.args(other.get_args());
        for (name, value) in other.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = other.get_current_dir() {
            command.current_dir(directory);
        }
        command
    }
}

fn check_nul(text: &OsStr, what: impl FnOnce() -> String) -> Result<()> {
    if text.as_bytes().contains(&0) {
        return Err(Error::new(ErrorKind::InvalidInput, "start", format!("{} has a NUL", what())));
    }
    Ok(())
}
