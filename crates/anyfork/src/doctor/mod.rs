//! What this system and this program allow, asked of the same functions that everything else here asks.

mod calls;
mod confinement;
mod limits;
mod program;
mod report;

use crate::sys::lack::{Availability, Lack};
use rustix::io::Errno;
use std::borrow::Cow;

/// Asks what the kernel, the container and this program allow, and says for each thing which way anyfork takes and what will not work.
///
/// For a look before the first start, and for bug reports: print it. It starts no process, changes nothing in the program, and leaves no descriptor open. It does not block, but reads some
/// files below `/proc` and `/sys`; a few milliseconds. It holds for the moment: limits may be changed, and filters added, later.
///
/// The questions that cannot be asked without a process stay open: whether namespaces can be made is told from the settings of the system, and whether the kernel keeps exit
/// statuses also from its release. Whether `python3` or `perl` is installed is not asked. A filter that kills who makes a system call that it forbids, instead of refusing the call, kills here as it would at the
/// first start.
///
/// ```
/// let diagnosis = anyfork::doctor();
/// println!("{diagnosis}");
/// for finding in diagnosis.findings().iter().filter(|finding| !finding.lost.is_empty()) {
///     eprintln!("{} ({}): {}", finding.name, finding.presence, finding.lost);
/// }
/// assert!(diagnosis.finding("pidfd_open").is_some());
/// ```
pub fn doctor() -> Diagnosis {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let has_proc = program::has_proc();
    let mut findings = Vec::new();
    findings.extend(calls::findings(&kernel, has_proc));
    findings.extend(program::findings(has_proc));
    findings.extend(confinement::findings());
    let workers = limits::workers();
    findings.extend(limits::findings(workers));
    Diagnosis { kernel, findings, workers: workers.map(|(count, _)| count) }
}

/// What [`doctor`] has found. Its text ([`Display`](std::fmt::Display)) is a report of about sixty lines.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    kernel: String,
    findings: Vec<Finding>,
    workers: Option<u64>,
}

impl Diagnosis {
    /// The release of the kernel, such as `6.18.1-generic`.
    pub fn kernel(&self) -> &str {
        &self.kernel
    }

    /// All that was asked, in a fixed order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The finding of that [name](Finding::name).
    pub fn finding(&self, name: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.name == name)
    }

    /// About how many workers of this program can live at the same time, by the limits that are known: its descriptors (a socket and a pidfd each), and the processes of its user, its control
    /// groups and the system. What others use later, memory, and limits of control groups that cannot be seen from here are not in it. `None`: no limit is known.
    pub fn workers(&self) -> Option<u64> {
        self.workers
    }
}

/// One thing that [`doctor`] has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Part of the report: `system calls`, `this program`, `confinement`, `limits`.
    pub topic: &'static str,
    /// Such as `pidfd_open` or `RLIMIT_NOFILE`. Stays the same from release to release.
    pub name: &'static str,
    /// Whether it is there.
    pub presence: Presence,
    /// What was seen, in words or numbers. Empty if the state says it all.
    pub seen: String,
    /// What anyfork does with it, or instead of it.
    pub path: Cow<'static, str>,
    /// What will not work. Empty: nothing is lost.
    pub lost: Cow<'static, str>,
}

/// Whether something is there: [`Finding::presence`], see [`doctor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// It is there, and used.
    There,
    /// The system call failed with this errno: the kernel does not have it (ENOSYS, as a rule), or a filter of system calls denies it (EPERM, as a rule).
    Refused(i32),
    /// It is not there, or not so that it could be used.
    Missing,
    /// This build does not use it, because of a `--cfg anyfork_no_...` by which its fallback is tested, or of a feature that is off.
    SwitchedOff,
    /// It could not be asked: for want of a descriptor, or of a file below `/proc`.
    Unknown,
}

impl From<Availability> for Presence {
    fn from(availability: Availability) -> Self {
        match availability {
            Ok(()) => Presence::There,
            Err(lack) => lack.into(),
        }
    }
}

impl From<Lack> for Presence {
    fn from(lack: Lack) -> Self {
        match lack {
            Lack::SwitchedOff => Presence::SwitchedOff,
            Lack::Absent => Presence::Missing,
            // No room for the answer.
            Lack::Refused(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Presence::Unknown,
            Lack::Refused(errno) => Presence::Refused(errno.raw_os_error()),
        }
    }
}

impl Finding {
    fn new(topic: &'static str, name: &'static str, presence: impl Into<Presence>) -> Self {
        let (path, lost) = (Cow::Borrowed(""), Cow::Borrowed(""));
        Finding { topic, name, presence: presence.into(), seen: String::new(), path, lost }
    }

    fn seen(mut self, seen: impl Into<String>) -> Self {
        self.seen = seen.into();
        self
    }

    fn path(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.path = path.into();
        self
    }

    fn lost(mut self, lost: impl Into<Cow<'static, str>>) -> Self {
        self.lost = lost.into();
        self
    }

    /// Which way is taken if it is there, and which one if it is not (or if nobody knows).
    fn either(self, there: &'static str, instead: &'static str) -> Self {
        let path = if self.is_there() { there } else { instead };
        self.path(path)
    }

    /// What is lost if it is not there.
    fn else_lost(self, lost: &'static str) -> Self {
        if matches!(self.presence, Presence::There | Presence::Unknown) { self } else { self.lost(lost) }
    }

    fn is_there(&self) -> bool {
        self.presence == Presence::There
    }
}
