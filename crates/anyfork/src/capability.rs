//! Sets of capabilities: capabilities(7).

use std::ops::BitOr;

/// A set of capabilities, capabilities(7): `Capabilities::NET_BIND_SERVICE | Capabilities::CHOWN`.
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// use anyfork::{Capabilities, Command};
/// let kept = Capabilities::NET_BIND_SERVICE | Capabilities::CHOWN;
/// let result = Command::new("grep").args(["CapEff", "/proc/self/status"]).keep_capabilities(kept).output();
/// match result {
///     Ok(output) => assert_eq!(output.stdout, format!("CapEff:\t{:016x}\n", kept.bits()).as_bytes()),
///     Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EPERM)), // without CAP_SETPCAP
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Capabilities(u64);

macro_rules! capabilities {
    ($($name:ident = $number:literal),+ $(,)?) => {
        #[allow(missing_docs, reason = "capabilities(7) describes each")]
        impl Capabilities {
            $(pub const $name: Capabilities = Capabilities(1 << $number);)+
        }
    };
}

capabilities! {
    CHOWN = 0, DAC_OVERRIDE = 1, DAC_READ_SEARCH = 2, FOWNER = 3, FSETID = 4, KILL = 5, SETGID = 6, SETUID = 7,
    SETPCAP = 8, LINUX_IMMUTABLE = 9, NET_BIND_SERVICE = 10, NET_BROADCAST = 11, NET_ADMIN = 12, NET_RAW = 13,
    IPC_LOCK = 14, IPC_OWNER = 15, SYS_MODULE = 16, SYS_RAWIO = 17, SYS_CHROOT = 18, SYS_PTRACE = 19, SYS_PACCT = 20,
    SYS_ADMIN = 21, SYS_BOOT = 22, SYS_NICE = 23, SYS_RESOURCE = 24, SYS_TIME = 25, SYS_TTY_CONFIG = 26, MKNOD = 27,
    LEASE = 28, AUDIT_WRITE = 29, AUDIT_CONTROL = 30, SETFCAP = 31, MAC_OVERRIDE = 32, MAC_ADMIN = 33, SYSLOG = 34,
    WAKE_ALARM = 35, BLOCK_SUSPEND = 36, AUDIT_READ = 37, PERFMON = 38, BPF = 39, CHECKPOINT_RESTORE = 40,
}

impl Capabilities {
    /// None.
    pub const NONE: Capabilities = Capabilities(0);

    /// The set as bits, capability 0 lowest.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Capabilities(self.0 | other.0)
    }
}
