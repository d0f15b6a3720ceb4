//! What serves a process: the program itself, or an interpreter. The verbs are the same; what only some of them understand is told by the types.

use crate::channel::Dialect;
use crate::entry::ByPath;
use crate::perl::Perl;
use crate::python::Python;

/// What a [`Process`](crate::Process), a [`Template`](crate::Template) and its forks are served by: the program itself ([`Native`]), [`Python`] or [`Perl`].
///
/// | | [`Native`] | [`Python`] | [`Perl`] |
/// |---|---|---|---|
/// | starts from | the program's own image | any interpreter | any interpreter with AnyEvent::Fork |
/// | runs | a function with `#[anyfork::entry]`, of the program or of a module | `"module.function"` | `"Module::function"` |
/// | loads | shared libraries: [`load`](crate::Process::load) | [`import`](crate::Process::import), [`import_from`](crate::Process::import_from) | [`require`](crate::Process::require) |
/// | [`eval`](crate::Process::eval) | (does not compile) | statements | statements |
/// | confirms that the function has been entered | yes | yes | yes, by a wrapper |
/// | exit statuses of forks | yes | yes | of the kernel, Linux 6.15 or newer |
/// | [`die_with_owner`](crate::Process::die_with_owner) | yes | yes | (does not compile) |
/// | [`spares`](crate::Template::spares) | yes | yes | (does not compile) |
///
/// Code that does not care what serves a process names the verbs that it needs:
///
/// ```
/// use anyfork::{ByPath, NO_ARGS, Python, Runs, Template, Worker};
///
/// # #[anyfork::entry] fn work() {}
/// fn pair<S: Runs<ByPath>>(template: &Template<S>, function: &str) -> anyfork::Result<[Worker; 2]> {
///     Ok([template.fork().run(function)?, template.fork().run(function)?])
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// let own = anyfork::Process::new().template()?;
/// let python = Python::new("python3").eval("def work(socket): pass", NO_ARGS).template()?;
/// for worker in [pair(&own, work().name())?, pair(&python, "work")?].iter().flatten() {
///     assert!(worker.wait()?.success());
/// }
/// # Ok(())
/// # }
/// ```
pub trait Server: sealed::Server {}

/// The program itself: a new process runs its entries, and those of modules that it [loads](crate::Process::load).
#[derive(Debug)]
pub struct Native(());

/// A server that knows entries by such names: `By` is as in [`ToEntry`](crate::ToEntry).
#[diagnostic::on_unimplemented(
    message = "a process that is served by `{Self}` does not run functions of this program",
    note = "name its function by a string: \"module.function\" in Python, \"Module::function\" in Perl"
)]
pub trait Runs<By>: Server {}

/// A server that has a language to evaluate.
#[diagnostic::on_unimplemented(
    message = "a process that is served by `{Self}` has no code to evaluate",
    note = "`call` runs a function of the program in it, `load` loads a module"
)]
pub trait Evaluates: Server {}

/// A server whose processes can be bound to the end of the program.
#[diagnostic::on_unimplemented(
    message = "a process that is served by `{Self}` cannot be bound to the end of this program"
)]
pub trait Binds: Server {}

/// A server whose templates fork in advance.
#[diagnostic::on_unimplemented(message = "a template that is served by `{Self}` forks nothing in advance")]
pub trait Reserves: Server {}

pub(crate) mod sealed {
    use super::Dialect;

    pub trait Server: std::fmt::Debug + 'static {
        #[doc(hidden)]
        const DIALECT: Dialect;

        /// As [`Binds`](super::Binds) says.
        #[doc(hidden)]
        const BINDS: bool;
    }
}

impl sealed::Server for Native {
    const DIALECT: Dialect = Dialect::Frames;
    const BINDS: bool = true;
}

impl sealed::Server for Python {
    const DIALECT: Dialect = Dialect::Frames;
    const BINDS: bool = true;
}

impl sealed::Server for Perl {
    const DIALECT: Dialect = Dialect::Serve;
    const BINDS: bool = false;
}

impl Server for Native {}
impl Server for Python {}
impl Server for Perl {}

impl<By> Runs<By> for Native {}
impl Runs<ByPath> for Python {}
impl Runs<ByPath> for Perl {}

impl Evaluates for Python {}
impl Evaluates for Perl {}

impl Binds for Native {}
impl Binds for Python {}

impl Reserves for Native {}
impl Reserves for Python {}
