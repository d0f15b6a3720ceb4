//! Resources that a process may be limited in: getrlimit(2).

/// A resource of getrlimit(2), for [`Command::rlimit`](crate::Command::rlimit). Sizes are in bytes, times in seconds unless it says otherwise.
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// use anyfork::{Command, Limit};
/// let memory = 64 << 20; // `tail` would take in the whole line
/// let mut command = Command::new("sh");
/// command.args(["-c", "head -c 200000000 /dev/zero | tail"]).rlimit(Limit::As, memory, memory);
/// let output = command.output()?;
/// assert!(!output.status.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// CPU time; SIGXCPU at the soft limit, SIGKILL at the hard one.
    Cpu,
    /// The size of a file that is written; SIGXFSZ.
    Fsize,
    /// Data, heap and private mappings.
    Data,
    /// The stack of the first thread; a quarter of it bounds arguments and environment at exec.
    Stack,
    /// A core dump; 0: none.
    Core,
    /// Processes and threads of the user, not of the process. No limit for a privileged user.
    Nproc,
    /// One more than the highest descriptor number.
    Nofile,
    /// Locked memory.
    Memlock,
    /// Address space.
    As,
    /// File locks.
    Locks,
    /// Signals that may be queued, of the user.
    Sigpending,
    /// POSIX message queues, of the user.
    Msgqueue,
    /// 20 minus the lowest nice value.
    Nice,
    /// Real-time priority.
    Rtprio,
    /// Microseconds of CPU time under real-time scheduling without a blocking call.
    Rttime,
}

const ALL: [(Limit, libc::c_uint); 15] = [
    (Limit::Cpu, libc::RLIMIT_CPU as _),
    (Limit::Fsize, libc::RLIMIT_FSIZE as _),
    (Limit::Data, libc::RLIMIT_DATA as _),
    (Limit::Stack, libc::RLIMIT_STACK as _),
    (Limit::Core, libc::RLIMIT_CORE as _),
    (Limit::Nproc, libc::RLIMIT_NPROC as _),
    (Limit::Nofile, libc::RLIMIT_NOFILE as _),
    (Limit::Memlock, libc::RLIMIT_MEMLOCK as _),
    (Limit::As, libc::RLIMIT_AS as _),
    (Limit::Locks, libc::RLIMIT_LOCKS as _),
    (Limit::Sigpending, libc::RLIMIT_SIGPENDING as _),
    (Limit::Msgqueue, libc::RLIMIT_MSGQUEUE as _),
    (Limit::Nice, libc::RLIMIT_NICE as _),
    (Limit::Rtprio, libc::RLIMIT_RTPRIO as _),
    (Limit::Rttime, libc::RLIMIT_RTTIME as _),
];

impl Limit {
    /// The number that the kernel of this architecture has for it.
    pub(crate) fn number(self) -> u32 {
        ALL.iter().find(|(limit, _)| *limit == self).map_or(u32::MAX, |(_, number)| *number)
    }

    pub(crate) fn of_number(number: u32) -> Option<Self> {
        ALL.iter().find(|(_, known)| *known == number).map(|(limit, _)| *limit)
    }
}
