//! An external program as it travels: file, arguments, environment, and the steps that the new process takes before its exec.

use super::Bytes;
use super::frame::{Malformed, Parsed, Reader, Writer};
use std::ffi::CStr;

/// All of it. Strings are NUL-terminated, so that a new process can pass them to the kernel where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program<'a> {
    /// With a slash, a path; without, a name that is looked for in `path`.
    pub(crate) file: &'a CStr,
    /// Directories separated by colons: the `PATH` of the new environment.
    pub(crate) path: &'a CStr,
    pub(crate) arguments: Strings<'a>,
    pub(crate) environment: Strings<'a>,
    /// Namespaces that the process is born in: `CLONE_NEW*` bits.
    pub(crate) namespaces: u32,
    /// The directory of the control group that the process is born in, as a number of a descriptor.
    pub(crate) cgroup: Option<u16>,
    /// In the order in which they are taken.
    pub(crate) steps: Vec<Step<'a>>,
}

/// Strings one behind the other, each with its NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Parsed<Self> {
        match octets.last() {
            None | Some(0) => Ok(Strings(octets)),
            Some(_) => Err(Malformed("a string without its NUL")),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a CStr> {
        self.0.split_inclusive(|octet| *octet == 0).filter_map(|string| CStr::from_bytes_with_nul(string).ok())
    }
}

/// What a new process does before its exec. Descriptors are named by their place among those that come along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Puts a descriptor at a number.
    Place {
        descriptor: u16,
        at: u32,
    },
    /// Leaves a number closed.
    Close {
        at: u32,
    },
    /// Puts the process's own socket at a number, past the exec: for a program that speaks this protocol.
    Keep {
        at: u32,
    },
    /// Maps a user and a group of the new user namespace to those that the process has outside.
    MapIds {
        inside: [u32; 2],
    },
    /// A new mount namespace, of which nothing shows outside. The current directory and the root go along, so it comes behind
    /// those that are given from outside.
    PrivateMounts,
    SetSession,
    ProcessGroup(i32),
    /// Makes a terminal that comes as a descriptor the controlling one.
    ControllingTerminal {
        descriptor: u16,
    },
    /// Changes to a directory that comes as a descriptor.
    Enter {
        descriptor: u16,
    },
    /// Soft and hard; `u64::MAX` is no limit.
    Limit {
        resource: u32,
        soft: u64,
        hard: u64,
    },
    Nice(i32),
    /// Bits of CPUs, the first one lowest, as sched_setaffinity(2) takes them.
    Affinity(&'a [u8]),
    OomScoreAdj(i32),
    Umask(u32),
    ChangeRoot(&'a CStr),
    /// Bits of capabilities that the program can ever have; those that it has come with [`Step::Capabilities`].
    BoundCapabilities(u64),
    Groups(Vec<u32>),
    /// No groups, if the process may choose.
    DropGroups,
    Group(u32),
    User(u32),
    /// Bits of capabilities, whatever the user.
    Capabilities(u64),
    Directory(&'a CStr),
    NoNewPrivileges,
    /// A Landlock ruleset that comes as a descriptor.
    Restrict {
        descriptor: u16,
    },
    /// Runs an entry with these arguments.
    Entry {
        name: &'a [u8],
        arguments: Vec<&'a [u8]>,
    },
    /// Bits of ignored and of blocked signals, signal 1 lowest. All others get their default dispositions.
    Signals {
        ignored: u64,
        blocked: u64,
    },
    /// Adopts orphans among its descendants.
    AdoptOrphans,
    /// The signal that the process gets when its template ends.
    DeathSignal(u32),
    /// A seccomp filter: instructions of eight bytes.
    Filter(&'a [u8]),
}

mod tag {
    pub(super) const PLACE: u8 = 1;
    pub(super) const CLOSE: u8 = 2;
    pub(super) const MAP_IDS: u8 = 3;
    pub(super) const PRIVATE_MOUNTS: u8 = 4;
    pub(super) const SET_SESSION: u8 = 5;
    pub(super) const PROCESS_GROUP: u8 = 6;
    pub(super) const CONTROLLING_TERMINAL: u8 = 7;
    pub(super) const ENTER: u8 = 8;
    pub(super) const LIMIT: u8 = 9;
    pub(super) const NICE: u8 = 10;
    pub(super) const AFFINITY: u8 = 11;
    pub(super) const OOM_SCORE_ADJ: u8 = 12;
    pub(super) const UMASK: u8 = 13;
    pub(super) const CHANGE_ROOT: u8 = 14;
    pub(super) const BOUND_CAPABILITIES: u8 = 15;
    pub(super) const GROUPS: u8 = 16;
    pub(super) const GROUP: u8 = 17;
    pub(super) const USER: u8 = 18;
    pub(super) const CAPABILITIES: u8 = 19;
    pub(super) const DIRECTORY: u8 = 20;
    pub(super) const NO_NEW_PRIVILEGES: u8 = 21;
    pub(super) const RESTRICT: u8 = 22;
    pub(super) const ENTRY: u8 = 23;
    pub(super) const SIGNALS: u8 = 24;
    pub(super) const ADOPT_ORPHANS: u8 = 25;
    pub(super) const DEATH_SIGNAL: u8 = 26;
    pub(super) const FILTER: u8 = 27;
    pub(super) const DROP_GROUPS: u8 = 28;
    pub(super) const KEEP: u8 = 29;
}

/// Stands for no control group.
const NONE: u16 = u16::MAX;

impl<'a> Program<'a> {
    pub(crate) fn append(&self, out: &mut Bytes) {
        let mut w = Writer::new(out);
        w.octets(self.file.to_bytes_with_nul());
        w.octets(self.path.to_bytes_with_nul());
        w.octets(self.arguments.0);
        w.octets(self.environment.0);
        w.u32(self.namespaces);
        w.u16(self.cgroup.unwrap_or(NONE));
        self.steps.iter().for_each(|step| step.append(&mut w));
    }

    pub(crate) fn parse(octets: &'a [u8]) -> Parsed<Self> {
        let mut r = Reader::new(octets);
        let file = text(&mut r)?;
        let path = text(&mut r)?;
        let arguments = Strings::new(r.octets()?)?;
        let environment = Strings::new(r.octets()?)?;
        let namespaces = r.u32()?;
        let cgroup = Some(r.u16()?).filter(|descriptor| *descriptor != NONE);
        let mut steps = Vec::new();
        while !r.is_empty() {
            steps.push(Step::parse(&mut r)?);
        }
        Ok(Program { file, path, arguments, environment, namespaces, cgroup, steps })
    }
}

impl<'a> Step<'a> {
    fn append(&self, w: &mut Writer<'_>) {
        w.u8(self.tag());
        match self {
            Step::Place { descriptor, at } => {
                w.u16(*descriptor);
                w.u32(*at);
            }
            Step::Enter { descriptor } | Step::Restrict { descriptor } | Step::ControllingTerminal { descriptor } => {
                w.u16(*descriptor);
            }
            Step::MapIds { inside } => inside.iter().for_each(|id| w.u32(*id)),
            Step::Close { at: value }
            | Step::Keep { at: value }
            | Step::Umask(value)
            | Step::Group(value)
            | Step::User(value)
            | Step::DeathSignal(value) => w.u32(*value),
            Step::ProcessGroup(value) | Step::Nice(value) | Step::OomScoreAdj(value) => w.u32(*value as u32),
            Step::Limit { resource, soft, hard } => {
                w.u32(*resource);
                w.u64(*soft);
                w.u64(*hard);
            }
            Step::Affinity(octets) | Step::Filter(octets) => w.octets(octets),
            Step::ChangeRoot(path) | Step::Directory(path) => w.octets(path.to_bytes_with_nul()),
            Step::BoundCapabilities(bits) | Step::Capabilities(bits) => w.u64(*bits),
            Step::Groups(groups) => {
                w.u32(groups.len() as u32);
                groups.iter().for_each(|group| w.u32(*group));
            }
            Step::Entry { name, arguments } => {
                w.octets(name);
                w.u32(arguments.len() as u32);
                arguments.iter().for_each(|argument| w.octets(argument));
            }
            Step::Signals { ignored, blocked } => {
                w.u64(*ignored);
                w.u64(*blocked);
            }
            Step::PrivateMounts | Step::SetSession | Step::DropGroups | Step::NoNewPrivileges | Step::AdoptOrphans => {}
        }
    }

    fn parse(r: &mut Reader<'a>) -> Parsed<Self> {
        Ok(match r.u8()? {
            tag::PLACE => Step::Place { descriptor: r.u16()?, at: r.u32()? },
            tag::CLOSE => Step::Close { at: r.u32()? },
            tag::KEEP => Step::Keep { at: r.u32()? },
            tag::MAP_IDS => Step::MapIds { inside: [r.u32()?, r.u32()?] },
            tag::PRIVATE_MOUNTS => Step::PrivateMounts,
            tag::SET_SESSION => Step::SetSession,
            tag::PROCESS_GROUP => Step::ProcessGroup(r.u32()? as i32),
            tag::CONTROLLING_TERMINAL => Step::ControllingTerminal { descriptor: r.u16()? },
            tag::ENTER => Step::Enter { descriptor: r.u16()? },
            tag::LIMIT => Step::Limit { resource: r.u32()?, soft: r.u64()?, hard: r.u64()? },
            tag::NICE => Step::Nice(r.u32()? as i32),
            tag::AFFINITY => Step::Affinity(r.octets()?),
            tag::OOM_SCORE_ADJ => Step::OomScoreAdj(r.u32()? as i32),
            tag::UMASK => Step::Umask(r.u32()?),
            tag::CHANGE_ROOT => Step::ChangeRoot(text(r)?),
            tag::BOUND_CAPABILITIES => Step::BoundCapabilities(r.u64()?),
            tag::GROUPS => Step::Groups(list(r, Reader::u32)?),
            tag::DROP_GROUPS => Step::DropGroups,
            tag::GROUP => Step::Group(r.u32()?),
            tag::USER => Step::User(r.u32()?),
            tag::CAPABILITIES => Step::Capabilities(r.u64()?),
            tag::DIRECTORY => Step::Directory(text(r)?),
            tag::NO_NEW_PRIVILEGES => Step::NoNewPrivileges,
            tag::RESTRICT => Step::Restrict { descriptor: r.u16()? },
            tag::ENTRY => Step::Entry { name: r.octets()?, arguments: list(r, Reader::octets)? },
            tag::SIGNALS => Step::Signals { ignored: r.u64()?, blocked: r.u64()? },
            tag::ADOPT_ORPHANS => Step::AdoptOrphans,
            tag::DEATH_SIGNAL => Step::DeathSignal(r.u32()?),
            tag::FILTER => Step::Filter(r.octets()?),
            _ => return Err(Malformed("an unknown step")),
        })
    }

    fn tag(&self) -> u8 {
        match self {
            Step::Place { .. } => tag::PLACE,
            Step::Close { .. } => tag::CLOSE,
            Step::Keep { .. } => tag::KEEP,
            Step::MapIds { .. } => tag::MAP_IDS,
            Step::PrivateMounts => tag::PRIVATE_MOUNTS,
            Step::SetSession => tag::SET_SESSION,
            Step::ProcessGroup(_) => tag::PROCESS_GROUP,
            Step::ControllingTerminal { .. } => tag::CONTROLLING_TERMINAL,
            Step::Enter { .. } => tag::ENTER,
            Step::Limit { .. } => tag::LIMIT,
            Step::Nice(_) => tag::NICE,
            Step::Affinity(_) => tag::AFFINITY,
            Step::OomScoreAdj(_) => tag::OOM_SCORE_ADJ,
            Step::Umask(_) => tag::UMASK,
            Step::ChangeRoot(_) => tag::CHANGE_ROOT,
            Step::BoundCapabilities(_) => tag::BOUND_CAPABILITIES,
            Step::Groups(_) => tag::GROUPS,
            Step::DropGroups => tag::DROP_GROUPS,
            Step::Group(_) => tag::GROUP,
            Step::User(_) => tag::USER,
            Step::Capabilities(_) => tag::CAPABILITIES,
            Step::Directory(_) => tag::DIRECTORY,
            Step::NoNewPrivileges => tag::NO_NEW_PRIVILEGES,
            Step::Restrict { .. } => tag::RESTRICT,
            Step::Entry { .. } => tag::ENTRY,
            Step::Signals { .. } => tag::SIGNALS,
            Step::AdoptOrphans => tag::ADOPT_ORPHANS,
            Step::DeathSignal(_) => tag::DEATH_SIGNAL,
            Step::Filter(_) => tag::FILTER,
        }
    }
}

fn text<'a>(r: &mut Reader<'a>) -> Parsed<&'a CStr> {
    CStr::from_bytes_with_nul(r.octets()?).map_err(|_| Malformed("a string without its NUL, or with another"))
}

/// Whoever sends a long list sends its items: nothing is reserved on the word of a count.
fn list<'a, T>(r: &mut Reader<'a>, item: impl Fn(&mut Reader<'a>) -> Parsed<T>) -> Parsed<Vec<T>> {
    let count = r.u32()?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(item(r)?);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Program<'static> {
        Program {
            file: c"ls",
            path: c"/bin:",
            arguments: Strings(b"ls\0\0-l\n\0"),
            environment: Strings(b"A=1\0B=\0"),
            namespaces: 1 << 29,
            cgroup: Some(3),
            steps: vec![
                Step::Place { descriptor: 1, at: 70_000 },
                Step::Close { at: 0 },
                Step::Keep { at: 3 },
                Step::MapIds { inside: [0, 1] },
                Step::PrivateMounts,
                Step::SetSession,
                Step::ProcessGroup(-1),
                Step::ControllingTerminal { descriptor: 0 },
                Step::Enter { descriptor: 2 },
                Step::Limit { resource: 7, soft: 1, hard: u64::MAX },
                Step::Nice(-20),
                Step::Affinity(&[1, 0]),
                Step::OomScoreAdj(-1000),
                Step::Umask(0o77),
                Step::ChangeRoot(c"/root"),
                Step::BoundCapabilities(1),
                Step::Groups(vec![]),
                Step::DropGroups,
                Step::Group(1),
                Step::User(u32::MAX),
                Step::Capabilities(u64::MAX),
                Step::Directory(c"/"),
                Step::NoNewPrivileges,
                Step::Restrict { descriptor: 252 },
                Step::Entry { name: b"a::b", arguments: vec![b"", b"a\0b"] },
                Step::Signals { ignored: 1, blocked: 2 },
                Step::AdoptOrphans,
                Step::DeathSignal(15),
                Step::Filter(&[0; 16]),
            ],
        }
    }

    #[test]
    fn a_program_comes_back_as_it_was_written() {
        for cgroup in [None, Some(0)] {
            let program = Program { cgroup, ..sample() };
            let mut bytes = Bytes::new();
            program.append(&mut bytes);
            assert_eq!(Program::parse(&bytes), Ok(program));
        }
    }

    #[test]
    fn strings_come_one_by_one_and_each_has_its_nul() {
        let strings: Vec<&CStr> = sample().arguments.iter().collect();
        assert_eq!(strings, [c"ls", c"", c"-l\n"]);
        assert_eq!(Strings::new(b"").unwrap().iter().count(), 0);
        assert!(Strings::new(b"a\0b").is_err());
    }

    #[test]
    fn a_program_that_is_cut_off_anywhere_is_refused_or_has_fewer_steps() {
        let mut bytes = Bytes::new();
        sample().append(&mut bytes);
        for cut in 0..bytes.len() {
            if let Ok(program) = Program::parse(&bytes[..cut]) {
                assert!(program.steps.len() < sample().steps.len(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn strings_without_their_nul_counts_without_items_and_unknown_steps_are_refused() {
        for wrong in [&b"\x02\0\0\0ab"[..], b"\x02\0\0\0\0\0", b"\x01\0\0\0\0\x01\0\0\0\0\x01\0\0\0a"] {
            assert!(Program::parse(wrong).is_err(), "{wrong:?}");
        }
        let mut bytes = Bytes::new();
        Program { steps: vec![], ..sample() }.append(&mut bytes);
        bytes.push(99);
        assert!(Program::parse(&bytes).is_err());
    }
}
