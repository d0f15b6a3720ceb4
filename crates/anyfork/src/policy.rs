//! Whether this program may be forked itself.

use crate::error::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether anyfork may fork this program itself: [`set_policy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Only where the program asks for that: [`early`](crate::early()) and [`template_here`](crate::template_here()).
    #[default]
    OnRequest,
    /// Nowhere: those two fail. All else never forks the program, in no case: the default template is started by
    /// posix_spawn(3), which shares the program's memory instead of copying it, and everything else comes from templates. Where
    /// that is impossible the start fails; there is no fallback to fork(2).
    NeverFork,
}

static NEVER: AtomicBool = AtomicBool::new(false);

/// Sets the policy of this program. It holds from now on, in all its threads. Does not block, and starts nothing.
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// # #[anyfork::entry] fn work() {}
/// anyfork::set_policy(anyfork::Policy::NeverFork);
/// assert!(anyfork::Process::new().run(work)?.wait()?.success()); // the default template forks, not this program
/// let error = anyfork::template_here().unwrap_err();
/// assert_eq!(error.kind(), anyfork::ErrorKind::Unsupported);
/// # Ok(())
/// # }
/// ```
pub fn set_policy(policy: Policy) {
    NEVER.store(policy == Policy::NeverFork, Ordering::Relaxed);
}

/// An error if the program may not be forked.
pub(crate) fn allow_fork(step: &'static str) -> Result<()> {
    if NEVER.load(Ordering::Relaxed) {
        let message = "it would fork the program, which its policy forbids (Policy::NeverFork)";
        return Err(Error::new(ErrorKind::Unsupported, step, message));
    }
    Ok(())
}
