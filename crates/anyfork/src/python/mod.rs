//! Python: processes that are served by an interpreter.

use crate::command::Command;
use crate::error::{Error, ErrorKind};
use crate::interpreter::{self, Code};
use crate::process::Process;
use crate::wire::Order;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A Python interpreter, 3.9 or newer, as [what serves](crate::Server) a process: templates with modules imported, whose forks run a Python function in a fraction of the
/// time that an interpreter takes to start and to import.
///
/// ```
/// use anyfork::Python;
/// use std::io::Read;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let template = Python::new("python3") //     any interpreter, those of virtual environments too
///     .import("json") //                        imported once, shared by all forks
///     .eval("def double(socket, number): socket.sendall(json.dumps(2 * int(number)).encode())\nimport json", anyfork::NO_ARGS)
///     .template()?; //                          ready, or an error with the traceback
/// let worker = template.fork().arg(21).blocking_socket(true).run("double")?;
/// let mut answer = String::new();
/// worker.socket().read_to_string(&mut answer)?;
/// assert_eq!(answer, "42");
/// assert!(worker.wait()?.success());
/// # Ok(())
/// # }
/// ```
///
/// **The function** is named `"module.function"` (the module is imported if it has not been; `"package.module.Class.method"` is found too), or by its bare name if
/// [`eval`](Process::eval) has defined it. It gets a `socket.socket`, which is the other end of [`Worker::socket`](crate::Worker::socket), then what was sent, in order: arguments as `bytes`; descriptors as
/// `socket.socket` if they are sockets, as unbuffered file objects if they are files, pipes or terminals, else as an object with `fileno()` and `close()`.
///
/// To prepare the process there are [`import`](Process::import), [`import_from`](Process::import_from), [`eval`](Process::eval), and [`call`](Process::call) of a function with arguments (`bytes`).
///
/// **Its end** is that of `sys.exit(function(...))`: `None` is 0, a number is the exit status, `SystemExit` likewise, an exception is a traceback on standard error and 1.
/// `atexit` functions that the worker has registered run, those of its template do not.
///
/// **Signals**: Ctrl-C is a `KeyboardInterrupt` in a worker, as in any Python program, and goes by templates. A handler that is set in the preparation is that of all forks.
///
/// **Templates** freeze what they have imported out of the garbage collector's sight (`gc.freeze`), so that forks go on sharing it. Threads are refused and named
/// ([`Threads`](crate::ErrorKind::Threads)): those of C libraries too, for instance OpenBLAS's under numpy. Set `OPENBLAS_NUM_THREADS=1` in the interpreter's environment
/// ([`from_command`](Python::from_command)). Random generators are the same in all forks, but for those of `random`, `ssl` and others that reseed themselves
/// (`os.register_at_fork`); numpy's global one does not.
///
/// [Spares](crate::Template::spares) reseed as all forks do, when they are forked. A signal of the terminal that comes while they wait ends them, and others are forked.
///
/// The server that runs in the interpreter is part of this crate, pure Python without dependencies, and is not installed anywhere. It is started by `-c`: the first entry of `sys.path` is the current
/// directory, and `PYTHONPATH` and the like count. A template of Python starts no external programs ([`Template::command`](crate::Template::command) is for [`Native`](crate::Native) ones).
#[derive(Debug)]
pub struct Python(());

/// The server, in a module of its own, so that `__main__` is the user's; and without the current directory, so that a `socket.py` there is not
/// taken for Python's.
const BOOT: &str = "import sys; path = sys.path[:]; sys.path[:] = filter(None, path); m = type(sys)('_anyfork'); sys.modules['_anyfork'] = m; \
    file = open(4, 'rb'); code = file.read(); file.close(); exec(compile(code, '<anyfork>', 'exec'), m.__dict__); sys.path[:] = path; m.main(3)";

impl Python {
    /// A process that is a new interpreter: `python3`, or the path of one, in a virtual environment for instance. (A relative path begins at the directory that the interpreter is started in, as with
    /// [`Command::current_dir`].)
    ///
    /// Nothing is started before the first [`import`](Process::import) or the like, [`run`](Process::run) or [`template`](Process::template). It takes some 30 ms, and what the imports take; forks
    /// of a template take a millisecond. The default template starts it; this program is not forked. It has standard input, output and error, environment and current directory as a
    /// [`Command`] has.
    #[allow(clippy::new_ret_no_self, reason = "it is what serves the process")]
    pub fn new(interpreter: impl AsRef<OsStr>) -> Process<Python> {
        Self::from_command(Command::new(interpreter))
    }

    /// The same, with all that a [`Command`] can have: environment, current directory, user, limits, namespaces, arguments for the interpreter (`-X`, `-I`). What is said of its
    /// end ([`kill_on_drop`](Command::kill_on_drop) and the like) and its deadline is taken for the process.
    ///
    /// Pipes, pseudoterminals and functions before the exec are [`InvalidInput`](crate::ErrorKind::InvalidInput), and so are descriptors 3 and 4.
    ///
    /// ```
    /// use anyfork::{Command, Python};
    /// # fn main() -> anyfork::Result<()> {
    /// let mut command = Command::new("python3");
    /// command.env("OPENBLAS_NUM_THREADS", "1").current_dir("/");
    /// let template = Python::from_command(command).eval("import os; assert os.getcwd() == '/'", anyfork::NO_ARGS).template()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_command(command: Command) -> Process<Python> {
        let code = Code { text: include_str!("server.py"), boot: &["-c".as_ref(), BOOT.as_ref()] };
        interpreter::process(command, &code)
    }
}

impl Process<Python> {
    /// Imports a module in the process now, as `import` does. Its submodules too: `"package.module"`. (AnyEvent::Fork's `require`.)
    ///
    /// As with [`call`](Process::call) the process is started by this, and an error comes out of [`run`](Process::run) or [`template`](Process::template):
    /// [`Load`](crate::ErrorKind::Load), with the traceback if the module itself failed.
    pub fn import(self, module: impl AsRef<str>) -> Self {
        self.prepare(Ok((Order::Load { name: module.as_ref().as_bytes(), path: b"" }, Vec::new())))
    }

    /// Imports a module from a file, or a package from a directory: its name is that of the file without `.py`. Otherwise as [`import`](Process::import). A relative path begins at this program's
    /// current directory.
    ///
    /// ```
    /// # use std::io::Read;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let file = std::env::temp_dir().join(format!("greetings{}.py", std::process::id()));
    /// std::fs::write(&file, "def greet(socket, name):\n    socket.sendall(b'hello, ' + name)\n")?;
    /// let template = anyfork::Python::new("python3").import_from(&file).template();
    /// std::fs::remove_file(&file)?; // it has been read
    /// let entry = format!("greetings{}.greet", std::process::id());
    /// let mut answer = String::new();
    /// template?.fork().arg("you").blocking_socket(true).run(entry.as_str())?.into_socket().read_to_string(&mut answer)?;
    /// assert_eq!(answer, "hello, you");
    /// # Ok(())
    /// # }
    /// ```
    pub fn import_from(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let name = path.file_stem().unwrap_or_default();
        match std::path::absolute(path) {
            Ok(path) if !name.is_empty() => {
                let (name, path) = (name.as_bytes(), path.as_os_str().as_bytes());
                self.prepare(Ok((Order::Load { name, path }, Vec::new())))
            }
            _ => self.prepare(Err(Error::new(ErrorKind::InvalidInput, "import_from", "no file is named"))),
        }
    }
}
