//! For programs that want no code before `main`.

use crate::handover;
use crate::sys::startup;

/// Takes over in a process that anyfork started, and does not return there. Does nothing in any other process.
///
/// Needed only without the default feature `auto`, which does the same before `main`. Call it as the first line of `main`: what
/// stands before it runs in each process that is started by exec (the default template, [`Process::exec`](crate::Process::exec)), once more.
/// In a process that already has threads and for which anyfork's variable is set, whoever set it, it prints a message and ends the process: the variable cannot be removed there.
///
/// A program that forgets it gets [`NotInitialized`](crate::ErrorKind::NotInitialized) from its first start, and nothing is started.
///
/// ```
/// # #[anyfork::entry] fn serve() {}
/// # #[allow(clippy::needless_doctest_main)]
/// fn main() -> anyfork::Result<()> {
///     anyfork::init();
///     assert!(anyfork::Process::new().run(serve)?.wait()?.success());
///     Ok(())
/// }
/// ```
pub fn init() {
    startup::set_ran();
    if let Some(process) = handover::take() {
        process.serve()
    }
}
