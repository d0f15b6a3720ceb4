//! What a program may do: as whom it runs, and what it is confined to.

use super::Command;
use crate::capability::Capabilities;
#[cfg(feature = "landlock")]
use std::os::fd::OwnedFd;

/// With less than this program has.
impl Command {
    /// Leaves the program these capabilities and no others, whatever its user: capabilities(7). They are permitted, effective, inheritable and
    /// ambient; the bounding set has no more. Needs `CAP_SETPCAP`. See [`Capabilities`].
    pub fn keep_capabilities(&mut self, kept: Capabilities) -> &mut Self {
        self.attributes.keep_capabilities = Some(kept);
        self
    }

    /// Takes these capabilities from the program and its descendants for good (from the bounding, the ambient and the inheritable set); the others are as they would be without this. Needs `CAP_SETPCAP`.
    ///
    /// ```
    /// use anyfork::{Capabilities, Command};
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// let mut command = Command::new("sh"); // as root, who has them all
    /// match command.args(["-c", "grep CapBnd /proc/self/status"]).drop_capabilities(Capabilities::SYS_ADMIN).output() {
    ///     Ok(output) => {
    ///         let bits = String::from_utf8_lossy(&output.stdout).trim_start_matches("CapBnd:").trim().to_owned();
    ///         assert_eq!(u64::from_str_radix(&bits, 16).unwrap() & Capabilities::SYS_ADMIN.bits(), 0);
    ///     }
    ///     Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EPERM)), // without CAP_SETPCAP
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn drop_capabilities(&mut self, dropped: Capabilities) -> &mut Self {
        self.attributes.drop_capabilities = self.attributes.drop_capabilities | dropped;
        self
    }

    /// The user: setuid(2). If nothing is said of [`groups`](Command::groups), the program has no supplementary groups, unless the template may not choose them (`CAP_SETGID`), as with
    /// [`std::os::unix::process::CommandExt::uid`].
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// let mut command = anyfork::Command::new("id");
    /// match command.arg("-G").uid(65534).gid(65534).groups(&[65534, 100]).output() {
    ///     Ok(output) => assert_eq!(output.stdout, b"65534 100\n"),
    ///     Err(error) => assert!(error.to_string().starts_with("groups"), "{error}"), // it takes a privilege
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn uid(&mut self, user: u32) -> &mut Self {
        self.attributes.uid = Some(user);
        self
    }

    /// The group: setgid(2). See [`uid`](Command::uid).
    pub fn gid(&mut self, group: u32) -> &mut Self {
        self.attributes.gid = Some(group);
        self
    }

    /// The supplementary groups: setgroups(2). See [`uid`](Command::uid).
    pub fn groups(&mut self, groups: &[u32]) -> &mut Self {
        self.attributes.groups = Some(groups.to_owned());
        self
    }

    /// Keeps the program and its descendants from gaining privileges by an exec, through set-user-ID programs for instance: `PR_SET_NO_NEW_PRIVS`, prctl(2).
    pub fn no_new_privs(&mut self, yes: bool) -> &mut Self {
        self.attributes.no_new_privs = yes;
        self
    }

    /// Confines the program with a Landlock ruleset, landlock(7), made by the crate [`landlock`]. It must allow the exec. Sets [`no_new_privs`](Command::no_new_privs).
    ///
    /// A kernel without Landlock does to it what the ruleset's compatibility level says: in the default, nothing is enforced there.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use landlock::{ABI, Access, AccessFs, Ruleset, RulesetAttr};
    /// let read_only = Ruleset::default().handle_access(AccessFs::from_write(ABI::V1))?.create()?; // nothing may be written
    /// let status = anyfork::Command::new("sh").args(["-c", "echo > /dev/null"]).landlock(read_only).status()?;
    /// let is_enforced = anyfork::doctor().finding("landlock").unwrap().presence == anyfork::Presence::There;
    /// assert_eq!(status.success(), !is_enforced);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "landlock")]
    pub fn landlock(&mut self, ruleset: landlock::RulesetCreated) -> &mut Self {
        let descriptor: Option<OwnedFd> = ruleset.into();
        self.attributes.landlock = descriptor.map(crate::sys::stdio::above_stdio);
        self.no_new_privs(true)
    }

    /// Confines the program with a filter of its system calls, seccomp(2), made by the crate [`seccompiler`]. It comes last before the exec, so it must allow execve(2),
    /// and sendmsg(2) or writev(2), by which a failed exec is told;
    /// if it kills for these, the program seems to have started and to have been killed. Sets [`no_new_privs`](Command::no_new_privs).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    /// let calls = [(libc::SYS_kill, Vec::new())].into(); // whatever the arguments
    /// let (denied, architecture) = (SeccompAction::Errno(libc::EPERM as u32), std::env::consts::ARCH.try_into()?);
    /// let filter: BpfProgram = SeccompFilter::new(calls, SeccompAction::Allow, denied, architecture)?.try_into()?;
    /// let output = anyfork::Command::new("sh").args(["-c", "kill -0 $$"]).seccomp(&filter).output()?;
    /// assert!(!output.status.success());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "seccomp")]
    pub fn seccomp(&mut self, filter: &seccompiler::BpfProgram) -> &mut Self {
        let octets = |instruction: &seccompiler::sock_filter| {
            let [a, b] = instruction.code.to_ne_bytes();
            let [c, d, e, f] = instruction.k.to_ne_bytes();
            [a, b, instruction.jt, instruction.jf, c, d, e, f]
        };
        self.attributes.seccomp = Some(filter.iter().flat_map(octets).collect());
        self.no_new_privs(true)
    }
}
