//! Which variables of its environment a new process keeps.

use crate::default_template;
use crate::error::{Error, ErrorKind, Result};
use crate::origin::Origin;
use crate::process::Process;
use crate::served::Native;
use crate::wire::Order;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Mutex, PoisonError};

/// The names, each followed by a NUL, as they travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allowed(Vec<u8>);

/// All names together are at most so many octets.
const LONGEST: usize = 64 * 1024;

impl Allowed {
    fn new<I>(names: I) -> Result<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut all = Vec::new();
        for name in names {
            let name = name.as_ref().as_bytes();
            if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
                let message = format!("{:?} is no name of a variable", OsStr::from_bytes(name));
                return Err(Error::new(ErrorKind::InvalidInput, "env_allow", message));
            }
            all.extend_from_slice(name);
            all.push(0);
        }
        if all.len() > LONGEST {
            return Err(Error::new(ErrorKind::InvalidInput, "env_allow", "names are at most 65536 bytes together"));
        }
        Ok(Allowed(all))
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// As [`has`].
    pub(crate) fn has(&self, variable: &[u8]) -> bool {
        has(&self.0, variable)
    }
}

/// Whether a variable, `NAME=VALUE`, has one of the names. A string without `=` is no variable and has none.
pub(crate) fn has(names: &[u8], variable: &[u8]) -> bool {
    let end = variable.iter().position(|octet| *octet == b'=');
    end.is_some_and(|end| names.split(|octet| *octet == 0).any(|name| !name.is_empty() && name == &variable[..end]))
}

static OF_DEFAULT_TEMPLATE: Mutex<Option<Allowed>> = Mutex::new(None);

/// Which variables the default template has, if not all.
pub(crate) fn of_default_template() -> Option<Allowed> {
    OF_DEFAULT_TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Says that the default template is to have only these variables of the program's environment, and so all processes that come from it. Call it before the first process
/// is started: for a program with secrets in its environment.
///
/// It does not block, and starts nothing. The others are not handed over when the default template is started, now or again after it has died; one that is made by [`early`](crate::early()) is a
/// fork, and wipes them, but has the rest of the program's memory. The program's own environment stays as it is. External programs are not
/// concerned: they have the environment of their caller, as [`Command`](crate::Command) says; nor are [`template_here`](crate::template_here()) and interpreters.
///
/// [`Process::env_allow`] is the same for a single process.
///
/// # Errors
/// [`InvalidInput`](ErrorKind::InvalidInput) if a name is empty or has `=` or a NUL, or if all names have more than 64 KiB. [`Unsupported`](ErrorKind::Unsupported) if there is a default template already.
///
/// ```
/// #[anyfork::entry]
/// fn look() {
///     assert_eq!(std::env::vars_os().filter(|(name, _)| name != "PATH").count(), 0);
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// anyfork::env_allow(["PATH"])?;
/// assert!(anyfork::Process::new().run(look)?.wait()?.success());
/// # Ok(())
/// # }
/// ```
pub fn env_allow<I>(names: I) -> Result<()>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let allowed = Allowed::new(names)?;
    let set = || *OF_DEFAULT_TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner) = Some(allowed);
    if default_template::before_it(set) {
        return Ok(());
    }
    let message =
        "there is a default template already, with the environment that it has: call it before the first start";
    Err(Error::new(ErrorKind::Unsupported, "env_allow", message))
}

impl Process<Native> {
    /// Leaves the process only these variables of its environment: of those that it would have, which come from its template. Called again, it leaves those that both have named.
    ///
    /// It holds for what comes after it, so put it first; a template that is made of the process has no others for its forks. They are removed from `environ` and wiped from where the kernel has put them (`/proc/PID/environ`,
    /// proc_pid_environ(5)); a [fresh exec](Process::exec) is not given them at all. What code in the template has copied elsewhere in its memory stays. To keep variables out of all
    /// processes, templates included, there is [`env_allow`](crate::env_allow()). Nothing blocks.
    ///
    /// Errors come out of [`run`](Process::run) or [`template`](Process::template): [`InvalidInput`](ErrorKind::InvalidInput) if a name is empty or has `=` or a NUL,
    /// [`Threads`](ErrorKind::Threads) if a preparation has left threads, which may be reading the environment, [`System`](ErrorKind::System) without `/proc`, which says where it is.
    ///
    /// An interpreter has the environment of its [`Command`](crate::Command): [`Python::from_command`](crate::Python::from_command) and [`Perl::from_command`](crate::Perl::from_command) with
    /// `env_clear` and `env`.
    ///
    /// ```compile_fail
    /// anyfork::Python::new("python3").env_allow(["PATH"]); // too late: it keeps copies
    /// ```
    ///
    /// ```
    /// #[anyfork::entry]
    /// fn look() {
    ///     assert!(std::env::vars_os().all(|(name, _)| name == "PATH" || name == "LANG"));
    /// }
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// let worker = anyfork::Process::new().env_allow(["PATH", "LANG"]).run(look)?;
    /// assert!(worker.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn env_allow<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        match Allowed::new(names) {
            Ok(allowed) => match &mut self.origin {
                // Before its exec, if that is still to come.
                Origin::FreshExec(first @ None) if self.launched.is_none() => *first = Some(allowed),
                _ => self.orders.push(&Order::Environment { names: allowed.octets() }, []),
            },
            Err(error) => self.keep(error),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_allowed_by_its_whole_name() {
        let allowed = Allowed::new(["PATH", "Ä"]).unwrap();
        assert_eq!(allowed.octets(), "PATH\0Ä\0".as_bytes());
        for (variable, expected) in [
            ("PATH=", true),
            ("PATH=a=b", true),
            ("Ä=x", true),
            ("PATHS=x", false),
            ("PAT=H", false),
            ("=PATH", false),
            ("PATH", false),
        ] {
            assert_eq!(has(allowed.octets(), variable.as_bytes()), expected, "{variable}");
        }
        assert!(!has(b"", b"PATH=x"));
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        for name in ["", "A=B", "=", "A\0"] {
            assert_eq!(Allowed::new([name]).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        }
        assert!(Allowed::new(["x".repeat(LONGEST)]).is_err());
    }
}
