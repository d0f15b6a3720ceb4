//! From a command to the order for a template: octets and descriptors.

use super::attributes::Attributes;
use super::environment::Variables;
use super::stdio::Kind;
use super::{Command, Pipes, check_nul};
use crate::caller::Caller;
use crate::channel::{Descriptors, Outbox};
use crate::child::Parts;
use crate::default_template;
use crate::error::{Error, ErrorKind, Result};
use crate::launched::{Confirmation, Launched};
use crate::line::New;
use crate::namespace::Namespaces;
use crate::origin::{Held, Origin};
use crate::pty;
use crate::sys::memfd;
use crate::sys::signal;
use crate::sys::socket::DESCRIPTORS_PER_MESSAGE;
use crate::sys::stdio::{NAMES, duplicate, open};
use crate::wire::{Bytes, INLINE_ARGUMENT, Order, Program, Role, Step, Strings};
use rustix::fs::{OFlags, SeekFrom};
use rustix::process::Signal;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// SIGPIPE, as a bit.
const SIGPIPE: u64 = 1 << (libc::SIGPIPE - 1);

/// Room for the descriptors of the steps, beside the socket and a memory file.
const MOST_DESCRIPTORS: usize = DESCRIPTORS_PER_MESSAGE - 2;

impl Command {
    /// Orders the program.
    pub(super) fn order(&self, defaults: [&Kind; 3]) -> Result<(Launched, Parts)> {
        let Composed { template, octets, descriptors, parts } = self.compose(defaults)?;
        let role = match (self.options.role, self.attributes.death_signal) {
            (Role::Free, Some(_)) => Role::Watched,
            (role, _) => role,
        };
        let (id, place) = if self.attributes.entry.is_none() {
            template.fork(role, New::Program(&octets), descriptors, Outbox::default())?
        } else {
            let mut orders = Outbox::default();
            orders.push(&Order::Become { program: &octets }, descriptors);
            template.fork(role, New::Fork, Descriptors::new(), orders)?
        };
        let mut launched = Launched::by(Arc::clone(&template), id, place);
        launched.waited = template.waited;
        launched.confirmation = Confirmation::ByEnd;
        Ok((launched, parts))
    }

    /// Says that the program gets the process's socket and the code of its server, and follows orders there.
    pub(crate) fn serve(&mut self, serving: Serving) -> Result<()> {
        let misused = |step, what| {
            let message = format!("{what} in an interpreter that serves processes");
            Err(Error::new(ErrorKind::InvalidInput, step, message))
        };
        let taken = [serving.socket, serving.code].into_iter().find(|number| self.attributes.fds.contains_key(number));
        if let Some(number) = taken {
            return misused("fd_at", format!("the descriptor {number} is taken"));
        }
        if self.pty.is_some() || self.stdio.iter().flatten().any(|stdio| matches!(stdio.0, Kind::Piped)) {
            return misused("start", "nobody has the other end of a new pipe or pseudoterminal".into());
        }
        if self.attributes.death_signal.is_some() {
            return misused("parent_death_signal", "a process has one of its own while it is prepared".into());
        }
        if self.attributes.entry.is_some() {
            return misused("pre_exec_entry", "no function can run before the exec".into());
        }
        self.attributes.serving = Some(serving);
        Ok(())
    }

    /// Orders a program that [serves](Command::serve), with orders that it finds in its socket.
    pub(crate) fn order_served(&self, orders: Outbox) -> Result<Launched> {
        let Composed { template, octets, descriptors, .. } = self.compose([&Kind::Inherit; 3])?;
        let (id, place) = template.fork(Role::Preparing, New::Program(&octets), descriptors, orders)?;
        let mut launched = Launched::by(Arc::clone(&template), id, place);
        launched.waited = template.waited;
        launched.prepares = true;
        launched.confirmation = Confirmation::Twice;
        Ok(launched)
    }

    /// What is sent to which template.
    fn compose(&self, defaults: [&Kind; 3]) -> Result<Composed> {
        if let Some(error) = &self.error {
            return Err(error.again());
        }
        let caller = Caller::look();
        let template = match &self.origin {
            Origin::Template(template) => template.hold("start", self.options.deadline)?,
            _ => match &caller {
                Some(caller) => default_template::get_for(&caller.standing)?.into(),
                None => default_template::get()?.into(),
            },
        };
        let mut parts = Parts::default();
        let mut descriptors = Descriptors::new();
        let mut octets = Bytes::new();
        self.write(defaults, caller.unwrap_or_default(), &mut octets, &mut descriptors, &mut parts)?;
        if octets.len() > INLINE_ARGUMENT {
            let file = memfd::sealed(&octets).map_err(|error| Error::system("put orders into a memory file", error))?;
            descriptors.push(file);
            octets.clear();
        }
        Ok(Composed { template, octets, descriptors, parts })
    }

    /// Writes all that the template must know.
    fn write(
        &self,
        defaults: [&Kind; 3],
        caller: Caller,
        octets: &mut Bytes,
        descriptors: &mut Descriptors,
        parts: &mut Parts,
    ) -> Result<()> {
        self.check()?;
        let c_string = |text: &OsStr, what: &dyn Fn() -> String| {
            check_nul(text, what)?;
            Ok(CString::new(text.as_bytes()).unwrap_or_default())
        };
        let file = c_string(&self.program, &|| "the program's name".into())?;
        let mut arguments = Vec::with_capacity(256);
        let arg0 = self.arg0.as_deref().unwrap_or(&self.program);
        for (index, argument) in std::iter::once(arg0).chain(self.get_args()).enumerate() {
            check_nul(argument, || format!("argument {index}"))?;
            arguments.extend_from_slice(argument.as_bytes());
            arguments.push(0);
        }
        let path_of =
            |path: Option<&OsStr>, what: &'static str| path.map(|path| c_string(path, &|| what.into())).transpose();
        let directory = path_of(self.directory.as_deref().map(Path::as_os_str), "the current directory")?;
        let root = path_of(self.attributes.chroot.as_deref(), "the root directory")?;
        let variables: Variables = self.environment.resolve()?;

        let mut steps = Vec::with_capacity(16);
        let mut give = |fd: OwnedFd| {
            descriptors.push(fd);
            (descriptors.len() - 1) as u16
        };
        let pty = self.pty.map(pty::open).transpose().map_err(|error| Error::system("pty", error))?;
        let (pty, other_side) = pty.unzip();
        parts.pty = pty;
        self.place_descriptors(defaults, other_side.as_ref(), &mut give, &mut steps, &mut parts.pipes)?;
        let declared = self.attributes.controlling_terminal.as_ref();
        let declared = || declared.map(|terminal| copy(terminal, "controlling_terminal")).transpose();
        let terminal = other_side.map_or_else(declared, |terminal| Ok(Some(terminal)))?.map(&mut give);
        let here = match (&self.directory, &self.attributes.chroot) {
            (Some(directory), None) if directory.is_absolute() => None,
            (_, Some(root)) if Path::new(root).is_absolute() => None,
            _ => Some(give(current_directory()?)),
        };
        let cgroup = self.attributes.cgroup.as_ref().map(|fd| copy(fd, "cgroup").map(&mut give)).transpose()?;
        let ruleset = self.attributes.landlock.as_ref().map(|fd| copy(fd, "landlock").map(&mut give)).transpose()?;
        if let Some(cgroup) = &self.attributes.cgroup {
            parts.cgroup = Some(copy(cgroup, "cgroup")?);
        }
        let texts = Texts { directory: directory.as_deref(), root: root.as_deref() };
        let numbers = Numbers { terminal, here, ruleset };
        self.attributes.steps(&texts, numbers, &caller, self.options.role, &mut steps);
        parts.leads_group = terminal.is_some() || self.attributes.setsid || self.attributes.process_group == Some(0);
        if descriptors.len() > MOST_DESCRIPTORS {
            let message = format!("at most {MOST_DESCRIPTORS} descriptors");
            return Err(Error::new(ErrorKind::InvalidInput, "fd_at", message));
        }
        let program = Program {
            file: &file,
            path: variables.path(),
            arguments: strings(&arguments)?,
            environment: strings(variables.octets())?,
            namespaces: self.attributes.namespaces.bits(),
            cgroup,
            steps,
        };
        octets.reserve(arguments.len() + variables.octets().len() + 1024);
        program.append(octets);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let invalid = |step: &'static str, message: &str| Err(Error::new(ErrorKind::InvalidInput, step, message));
        if self.program.is_empty() {
            return invalid("start", "the program's name is empty");
        }
        let Attributes { namespaces, entry, .. } = &self.attributes;
        if entry.is_some() && namespaces.contains(Namespaces::PID) {
            return invalid(
                "namespaces",
                "a new namespace of process numbers and an entry before the exec exclude each other",
            );
        }
        Ok(())
    }

    fn place_descriptors<'a>(
        &self,
        defaults: [&Kind; 3],
        terminal: Option<&OwnedFd>,
        give: &mut impl FnMut(OwnedFd) -> u16,
        steps: &mut Vec<Step<'a>>,
        pipes: &mut Pipes,
    ) -> Result<()> {
        for at in 0..3 {
            if self.attributes.fds.contains_key(&at) {
                continue;
            }
            let fd = match (&self.stdio[at as usize], terminal) {
                (None, Some(terminal)) => Some(copy(terminal, NAMES[at as usize])?),
                (own, _) => {
                    let kind = own.as_ref().map_or(defaults[at as usize], |stdio| &stdio.0);
                    kind.open(at, pipes)?
                }
            };
            steps.push(fd.map_or(Step::Close { at }, |fd| Step::Place { descriptor: give(fd), at }));
        }
        for (at, fd) in &self.attributes.fds {
            steps.push(Step::Place { descriptor: give(copy(fd, "fd_at")?), at: *at });
        }
        if let Some(Serving { socket, code, text }) = self.attributes.serving {
            let text = text_file(text).map_err(|error| Error::system("put the server into a memory file", error))?;
            steps.push(Step::Place { descriptor: give(text), at: code });
            steps.push(Step::Keep { at: socket });
        }
        Ok(())
    }
}

/// A program as it is sent to a template, which may be in the last descriptor.
struct Composed {
    template: Held,
    octets: Bytes,
    descriptors: Descriptors,
    parts: Parts,
}

/// What an interpreter finds that serves processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serving {
    /// The number of the process's own socket.
    pub(crate) socket: u32,
    /// The number of a file with the code of its server.
    pub(crate) code: u32,
    pub(crate) text: &'static str,
}

/// A file of its own for each interpreter: duplicates of one would share the position at which they are read.
fn text_file(text: &str) -> std::io::Result<OwnedFd> {
    let file = memfd::sealed(text.as_bytes())?;
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}

/// Strings that steps borrow.
struct Texts<'a> {
    directory: Option<&'a CStr>,
    root: Option<&'a CStr>,
}

/// Descriptors that steps name.
struct Numbers {
    terminal: Option<u16>,
    here: Option<u16>,
    ruleset: Option<u16>,
}

impl Attributes {
    /// The steps behind the placing of descriptors, in their order: first what is outside, then who it is, then what it may.
    fn steps<'a>(
        &'a self,
        texts: &Texts<'a>,
        numbers: Numbers,
        caller: &Caller,
        role: Role,
        steps: &mut Vec<Step<'a>>,
    ) {
        if self.namespaces.contains(Namespaces::USER) {
            steps.push(Step::MapIds { inside: [0, 0] });
        }
        if self.setsid || numbers.terminal.is_some() {
            steps.push(Step::SetSession);
        }
        // The leader of a session leads a group of its own already.
        let group = self.process_group.filter(|group| *group != 0 || (!self.setsid && numbers.terminal.is_none()));
        steps.extend(group.map(Step::ProcessGroup));
        steps.extend(numbers.terminal.map(|descriptor| Step::ControllingTerminal { descriptor }));
        steps.extend(self.nice.map(Step::Nice));
        steps.extend(self.cpu_affinity.as_deref().map(Step::Affinity));
        steps.extend(self.oom_score_adj.map(Step::OomScoreAdj));
        // Behind all that opens a file.
        let limits = self.limits.iter();
        steps.extend(limits.map(|(limit, soft, hard)| Step::Limit {
            resource: limit.number(),
            soft: *soft,
            hard: *hard,
        }));
        steps.extend(self.umask.or(caller.umask).map(Step::Umask));
        steps.extend(numbers.here.map(|descriptor| Step::Enter { descriptor }));
        if self.namespaces.contains(Namespaces::MOUNT) {
            steps.push(Step::PrivateMounts);
        }
        steps.extend(texts.root.map(Step::ChangeRoot));
        self.credentials(steps);
        steps.extend(texts.directory.map(Step::Directory));
        if self.no_new_privs {
            steps.push(Step::NoNewPrivileges);
        }
        steps.extend(numbers.ruleset.map(|descriptor| Step::Restrict { descriptor }));
        steps.extend(self.entry.as_ref().map(|(name, arguments)| Step::Entry {
            name: name.as_bytes(),
            arguments: arguments.iter().map(Vec::as_slice).collect(),
        }));
        if self.adopt_orphans {
            steps.push(Step::AdoptOrphans);
        }
        // A server takes it back when it goes on without its template.
        let kill = (role == Role::Bound || self.serving.is_some()).then_some(Signal::KILL.as_raw());
        steps.extend(kill.or(self.death_signal).map(|signal| Step::DeathSignal(signal as u32)));
        // From here on signals arrive.
        steps.push(match self.inherit_signals {
            true => Step::Signals { ignored: caller.ignored_signals & !SIGPIPE, blocked: signal::blocked() },
            false => Step::Signals { ignored: 0, blocked: 0 },
        });
        steps.extend(self.seccomp.as_deref().map(Step::Filter));
    }

    fn credentials<'a>(&'a self, steps: &mut Vec<Step<'a>>) {
        let kept = self.keep_capabilities.map_or(u64::MAX, |kept| kept.bits()) & !self.drop_capabilities.bits();
        if kept != u64::MAX {
            steps.push(Step::BoundCapabilities(kept));
        }
        match (&self.groups, self.uid) {
            (Some(groups), _) => steps.push(Step::Groups(groups.clone())),
            // Otherwise the user would keep the caller's groups. In a new user namespace there are none to be kept.
            (None, Some(_)) if !self.namespaces.contains(Namespaces::USER) => steps.push(Step::DropGroups),
            _ => {}
        }
        steps.extend(self.gid.map(Step::Group));
        steps.extend(self.uid.map(Step::User));
        if self.keep_capabilities.is_some() {
            steps.push(Step::Capabilities(kept));
        }
    }
}

fn strings(octets: &[u8]) -> Result<Strings<'_>> {
    Strings::new(octets).map_err(|malformed| Error::malformed("start", malformed))
}

fn copy(fd: &OwnedFd, step: &'static str) -> Result<OwnedFd> {
    duplicate(fd).map_err(|errno| Error::system(step, errno))
}

/// The caller's, as it is now, also if it is changed before the program is there.
fn current_directory() -> Result<OwnedFd> {
    let directory = open(c".", OFlags::PATH | OFlags::DIRECTORY);
    directory.map_err(|errno| Error::system("keep the current directory", errno))
}
