//! Sets of namespaces: namespaces(7).

use std::ops::BitOr;

/// A set of new namespaces for a program, namespaces(7): `Namespaces::USER | Namespaces::PID`.
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// use anyfork::{Command, ErrorKind, Namespaces};
/// let mut command = Command::new("sh");
/// command.args(["-c", "id -u; echo $$"]).namespaces(Namespaces::USER | Namespaces::PID);
/// match command.output() {
///     Ok(output) => assert_eq!(output.stdout, b"0\n1\n"), // root, and the first of all processes
///     Err(error) => assert_eq!(error.kind(), ErrorKind::System), // this system does not let its users do it
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Namespaces(u32);

impl Namespaces {
    /// Users and groups: the program is root inside, and the caller's user and group outside. Needs no privilege where the system allows
    /// it to its users, and makes the others possible without.
    pub const USER: Namespaces = Namespaces(libc::CLONE_NEWUSER as u32);
    /// Process numbers: the program is number 1 inside, and when it ends all in it are killed. `/proc` still shows the outside until
    /// somebody mounts a new one.
    pub const PID: Namespaces = Namespaces(libc::CLONE_NEWPID as u32);
    /// Mounts: a copy of the caller's. Mounts made inside are not seen outside.
    pub const MOUNT: Namespaces = Namespaces(libc::CLONE_NEWNS as u32);
    /// Network: nothing but a loopback device that is down.
    pub const NET: Namespaces = Namespaces(libc::CLONE_NEWNET as u32);
    /// System V IPC and POSIX message queues.
    pub const IPC: Namespaces = Namespaces(libc::CLONE_NEWIPC as u32);
    /// Host name and domain name.
    pub const UTS: Namespaces = Namespaces(libc::CLONE_NEWUTS as u32);
    /// The root of control groups as seen from inside.
    pub const CGROUP: Namespaces = Namespaces(libc::CLONE_NEWCGROUP as u32);

    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Namespaces {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Namespaces(self.0 | other.0)
    }
}
