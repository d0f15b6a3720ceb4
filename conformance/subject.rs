//! The servers, with what the tests must know of each.

use anyfork::{Command, Evaluates, Perl, Process, Python, Runs, Server, Template};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

/// A server with the functions of `servers/`.
pub trait Subject {
    /// What it is to anyfork.
    type Server: Server + Runs<anyfork::ByPath>;

    /// Its name, as in the names of tests.
    const NAME: &'static str;

    /// What stands before the names of the functions.
    const PREFIX: &'static str;

    /// The exit code after an error that nobody catches.
    const UNCAUGHT: i32;

    /// The signals that a worker ignores from its beginning, as a mask.
    const IGNORED: u64 = 0;

    /// Those for which it has handlers.
    const CAUGHT: u64 = 0;

    /// A new process that has been given nothing.
    fn bare() -> Process<Self::Server>;

    /// Lets it know the functions.
    fn with_functions(process: Process<Self::Server>) -> Process<Self::Server>;

    /// A new process that knows the functions.
    fn process() -> Process<Self::Server> {
        Self::with_functions(Self::bare())
    }

    /// Loads a module, in the server's own way.
    fn load(process: Process<Self::Server>, module: Module) -> Process<Self::Server>;

    /// A template that knows the functions.
    fn template() -> Template<Self::Server> {
        Self::process().template().unwrap()
    }

    /// What a function is called in this server.
    fn name(function: &str) -> String {
        format!("{}{function}", Self::PREFIX)
    }

    /// Whether exit statuses of forks of a template are known. Otherwise they are `Lost`.
    fn tells_statuses() -> bool {
        true
    }
}

/// Modules that cannot be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    /// There is none of that name.
    Missing,
    /// It is there and fails.
    Broken,
    /// It is there, and something that it needs is not.
    Dependent,
}

/// Code to be evaluated.
pub trait Evaluator: Subject<Server: Evaluates> {
    /// Keeps its arguments, as the function `prepare` does.
    const KEEP: &'static str;

    /// Defines a function `from_eval` that writes all arguments that were evaluated with this, separated by commas.
    const DEFINE: &'static str;

    /// Raises an error with the text of its argument, in a function `raises_it`.
    const RAISE: &'static str;

    /// Cannot be parsed.
    const NO_SYNTAX: &'static str;

    /// Ends the process.
    const EXIT: &'static str;
}

/// What the error of this server says beside the message: of the traceback.
pub const TRACEBACK: &str = "raises_it";

const fn mask(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The program itself.
#[derive(Debug)]
pub struct Native;

impl Subject for Native {
    type Server = anyfork::Native;
    const NAME: &'static str = "native";
    const PREFIX: &'static str = "anyfork_conformance::functions::";
    const UNCAUGHT: i32 = 1;
    const IGNORED: u64 = mask(libc::SIGPIPE);

    fn bare() -> Process {
        Process::new()
    }

    fn with_functions(process: Process) -> Process {
        process
    }

    fn load(process: Process, module: Module) -> Process {
        match module {
            Module::Missing => process.load("/nowhere/to/be/found.so"),
            // No library at all.
            Module::Broken | Module::Dependent => process.load(servers().join("broken.py")),
        }
    }
}

/// Python, from the variable `ANYFORK_PYTHON` or as `python3`.
#[derive(Debug)]
pub struct InPython;

/// The interpreter itself, not a script that looks for it.
pub fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let wanted = std::env::var("ANYFORK_PYTHON").unwrap_or("python3".into());
        let check = "import sys; assert sys.version_info >= (3, 9); print(sys.executable, end='')";
        let found = std::process::Command::new(&wanted).args(["-c", check]).stderr(Stdio::null()).output();
        match found {
            Ok(found) if found.status.success() => String::from_utf8(found.stdout).unwrap(),
            _ => panic!("these tests need Python 3.9 or newer as `{wanted}`; install it (Debian: apt install python3)"),
        }
    })
}

impl Subject for InPython {
    type Server = Python;
    const NAME: &'static str = "python";
    const PREFIX: &'static str = "functions.";
    const UNCAUGHT: i32 = 1;
    const IGNORED: u64 = mask(libc::SIGPIPE) | mask(libc::SIGXFSZ);
    const CAUGHT: u64 = mask(libc::SIGINT);

    fn bare() -> Process<Python> {
        let mut command = Command::new(python());
        // Nothing is left in the sources, and output is buffered as it usually is.
        command.arg("-B").env_remove("PYTHONUNBUFFERED");
        Python::from_command(command)
    }

    fn with_functions(process: Process<Python>) -> Process<Python> {
        process.import_from(servers().join("functions.py"))
    }

    fn load(process: Process<Python>, module: Module) -> Process<Python> {
        match module {
            Module::Missing => process.import("nowhere_to_be_found"),
            Module::Broken => process.import_from(servers().join("broken.py")),
            Module::Dependent => process.import_from(servers().join("dependent.py")),
        }
    }
}

impl Evaluator for InPython {
    const KEEP: &'static str = "import functions; functions.prepare(*args)";
    const DEFINE: &'static str = "evaluated = args\ndef from_eval(socket): socket.sendall(b','.join(evaluated))";
    const RAISE: &'static str = "def raises_it(text): raise ValueError(text.decode())\nraises_it(args[0])";
    const NO_SYNTAX: &'static str = "def def";
    const EXIT: &'static str = "raise SystemExit(3)";
}

/// Perl with AnyEvent::Fork.
#[derive(Debug)]
pub struct InPerl;

fn check_perl() {
    static PERL: OnceLock<()> = OnceLock::new();
    PERL.get_or_init(|| {
        let modules = ["-MAnyEvent::Fork::Serve", "-MIO::FDPass", "-e1"];
        let found = std::process::Command::new("perl").args(modules).stderr(Stdio::null()).status();
        let is_there = found.is_ok_and(|status| status.success());
        let packages = "libanyevent-fork-perl libio-fdpass-perl";
        assert!(
            is_there,
            "these tests need Perl with AnyEvent::Fork; install it (Debian: apt install perl {packages})"
        );
    });
}

impl Subject for InPerl {
    type Server = Perl;
    const NAME: &'static str = "perl";
    const PREFIX: &'static str = "Functions::";
    const UNCAUGHT: i32 = 255;
    const IGNORED: u64 = mask(libc::SIGFPE);

    fn bare() -> Process<Perl> {
        check_perl();
        let mut command = Command::new("perl");
        command.arg("-I").arg(servers());
        Perl::from_command(command)
    }

    fn with_functions(process: Process<Perl>) -> Process<Perl> {
        process.require("Functions")
    }

    fn load(process: Process<Perl>, module: Module) -> Process<Perl> {
        process.require(match module {
            Module::Missing => "Nowhere::To::Be::Found",
            Module::Broken => "Broken",
            Module::Dependent => "Dependent",
        })
    }

    /// Since Linux 6.15 the kernel keeps them.
    fn tells_statuses() -> bool {
        anyfork_tests::keeps_statuses()
    }
}

impl Evaluator for InPerl {
    const KEEP: &'static str = "&Functions::prepare";
    const DEFINE: &'static str =
        "our @evaluated = @_; sub from_eval { Functions::send_all ($_[0], join ',', @evaluated) }";
    const RAISE: &'static str = "sub raises_it { die \"$_[0] in raises_it\\n\" } raises_it ($_[0])";
    const NO_SYNTAX: &'static str = "sub sub {";
    const EXIT: &'static str = "exit 3";
}

fn servers() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/servers"))
}
