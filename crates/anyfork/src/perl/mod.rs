//! Perl: processes that are served by AnyEvent::Fork::Serve.

use crate::command::Command;
use crate::handover;
use crate::interpreter::{self, Code};
use crate::process::Process;
use crate::wire::Order;
use std::ffi::OsStr;
use syscalls::Sysno;

/// A Perl interpreter with AnyEvent::Fork 1.32, as [what serves](crate::Server) a process: the original, driven from Rust.
///
/// What runs in the interpreter is the real `AnyEvent::Fork::Serve`, as it is installed (Debian: `libanyevent-fork-perl`, `libio-fdpass-perl`), with its own protocol. A wrapper of some dozen functions
/// that is evaluated there tells what that server cannot.
///
/// ```no_run
/// use anyfork::Perl;
///
/// # fn main() -> anyfork::Result<()> {
/// let template = Perl::new()
///     .require("My::Server") //                       Perl's `require`
///     .arg("str1") //                                 its `send_arg`, and `fd` for its `send_fh`
///     .template()?;
/// for id in 0..10 {
///     template.fork().arg(id).run("My::Server::run")?; // has entered it
/// }
/// # Ok(())
/// # }
/// ```
///
/// | AnyEvent::Fork | here |
/// |---|---|
/// | `new_exec` | `Perl::new()` |
/// | `new` | `template.fork()` of a `Perl::new().template()` |
/// | `fork` | [`template`](Process::template), then [`fork`](crate::Template::fork) |
/// | `eval`, `require` | [`eval`](Process::eval), [`require`](Process::require) |
/// | `send_arg`, `send_fh` | [`arg`](Process::arg), [`fd`](Process::fd) |
/// | `run` | [`run`](Process::run), [`start`](Process::start) |
/// | `$AnyEvent::Fork::PERL` | [`from_command`](Perl::from_command) |
///
/// **The wrapper supplies** the confirmation that the function exists and has been entered, numbers and pidfds, errors of `eval` and `require` in the caller instead of on standard error alone, the refusal of
/// threads, and that no zombies stay while a template idles. Templates ignore SIGCHLD and what a terminal sends; in their forks all that is as it was before. What is evaluated finds the same as with the original
/// client, except for `caller`, and for lexical variables of the server, which it does not see. (`run_args` leaves what it returns queued, as that of 1.32 does, whatever its documentation says.)
///
/// **It cannot supply**, because this server has no word for it:
///
/// - Exit statuses of forks are those that the kernel keeps (Linux 6.15 or newer), else [`Lost`](crate::ErrorKind::Lost); what they used is not known. A `Perl::new()` that runs a function itself is
///   a program of the default template and has both.
/// - Signals to forks go through the pidfds that these send. Without pidfds there are none.
/// - A `Perl::new()` that becomes a template ends with this program. A template that was forked from it ends when its socket is closed: a fork of this program that holds the socket holds that template. Workers cannot
///   be bound to the end of the program ([`die_with_owner`](Process::die_with_owner) does not compile). A fork that is given up while it hangs in its preparation goes on hanging.
/// - A failed `fork` ends the server (AnyEvent::Fork::Serve does so): [`TemplateGone`](crate::ErrorKind::TemplateGone), [`ProcessGone`](crate::ErrorKind::ProcessGone).
/// - `END` blocks and destructors of the template run in its forks, when they end by `exit` or by returning.
#[derive(Debug)]
pub struct Perl(());

/// Without lexical variables, which would be seen by all that is evaluated.
const BOOT: &str = "BEGIN { open $anyfork::code, '<&=', 4 or die $!; $_ = do { local $/; <$anyfork::code> }; close $anyfork::code; \
    eval; die $@ if $@; undef $_ } AnyEvent::Fork::Serve::me";

impl Perl {
    /// A process that is a new interpreter: the `perl` of the `PATH`. (AnyEvent::Fork looks at `$^X` first, which a program that is not Perl does not have.) See [`Python::new`](crate::Python::new) for the rest.
    #[allow(clippy::new_ret_no_self, reason = "it is what serves the process")]
    pub fn new() -> Process<Perl> {
        Self::from_command(Command::new("perl"))
    }

    /// The same, with all that a [`Command`] can have: the path of another `perl`, `PERL5LIB` in its environment, arguments for the interpreter (`-I`, `-M`). As
    /// [`Python::from_command`](crate::Python::from_command).
    pub fn from_command(command: Command) -> Process<Perl> {
        let (socket, owner) = (handover::SOCKET.to_string(), std::process::id().to_string());
        let pidfd_open = if cfg!(anyfork_no_pidfd) { -1 } else { Sysno::pidfd_open.id() };
        let (close, mask, set) = (Sysno::close.id(), Sysno::rt_sigprocmask.id(), libc::SIG_SETMASK);
        let calls = format!("{pidfd_open} {close} {mask} {set} {}", Sysno::prctl.id());
        let boot: [&OsStr; 5] = ["-e".as_ref(), BOOT.as_ref(), socket.as_ref(), owner.as_ref(), calls.as_ref()];
        interpreter::process(command, &Code { text: include_str!("wrapper.pl"), boot: &boot })
    }
}

impl Process<Perl> {
    /// Loads a module in the process now: `"Some::Module"`, as Perl's `require Some::Module`.
    ///
    /// As with [`call`](Process::call) the process is started by this, and an error comes out of [`run`](Process::run) or [`template`](Process::template):
    /// [`Load`](crate::ErrorKind::Load), with Perl's message.
    pub fn require(self, module: impl AsRef<str>) -> Self {
        self.prepare(Ok((Order::Load { name: module.as_ref().as_bytes(), path: b"" }, Vec::new())))
    }
}
