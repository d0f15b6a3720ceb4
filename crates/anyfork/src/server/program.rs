//! From the octets of an external program to a [`Launch`]: the steps become system calls, the descriptors get out of each other's way.

use crate::blob::Blob;
use crate::channel::Descriptors;
use crate::inputs::Input;
use crate::limit::Limit;
use crate::sys::call::{Calls, Object};
use crate::sys::close;
use crate::sys::exit;
use crate::sys::launch::{Launch, Manner, Plan};
use crate::sys::signal::{self, Dispositions};
use crate::sys::socket;
use crate::sys::stdio;
use crate::wire::{Failure, Malformed, Program, Step};
use rustix::thread::{CapabilitySet, Pid};
use std::collections::VecDeque;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// What a compiled program depends on in the process that starts it.
pub(super) struct Starter {
    pub(super) pid: u32,
    pub(super) signals: Dispositions,
    /// Whether it could be debugged before it started programs.
    pub(super) can_be_debugged: bool,
    /// Whether the new process is there already, in the namespaces of this one.
    pub(super) is_forked: bool,
}

/// A program, and the entry that runs in the middle of its steps.
pub(super) struct Compiled {
    pub(super) launch: Box<Launch>,
    pub(super) entry: Option<EntryStep>,
}

pub(super) struct EntryStep {
    /// So many calls are made before.
    pub(super) after: usize,
    pub(super) name: Vec<u8>,
    pub(super) arguments: VecDeque<Input>,
}

/// Compiles the program that came as `octets`, or in a memory file behind the other descriptors. What it uses of `descriptors` must be kept until it has been started.
pub(super) fn compile(
    octets: Vec<u8>,
    socket: &mut OwnedFd,
    descriptors: &mut Descriptors,
    starter: &Starter,
) -> Result<Compiled, Failure> {
    let text = match octets.is_empty() {
        true => super::prepare::sealed(descriptors.pop())?,
        false => Blob::owned(octets),
    };
    let mut entry = None;
    let launch = Launch::new(text, |octets| {
        let program = Program::parse(octets).map_err(super::prepare::not_understood)?;
        let compiler = Compiler {
            calls: Calls::new(),
            socket: socket.as_raw_fd(),
            parent: starter.pid,
            has_new_users: false,
            keeps_capabilities: false,
            descriptors,
            starter,
            entry: &mut entry,
        };
        compiler.plan(program, socket)
    })?;
    Ok(Compiled { launch, entry })
}

struct Compiler<'a, 'd> {
    calls: Calls<'a>,
    /// The new process's own.
    socket: RawFd,
    /// The number of the parent as the new process sees it.
    parent: u32,
    /// Whether it is in a new user namespace.
    has_new_users: bool,
    /// Whether capabilities are to outlast a change of the user.
    keeps_capabilities: bool,
    descriptors: &'d mut Descriptors,
    starter: &'d Starter,
    entry: &'d mut Option<EntryStep>,
}

impl<'a> Compiler<'a, '_> {
    fn plan(mut self, program: Program<'a>, socket: &mut OwnedFd) -> Result<Plan<'a>, Failure> {
        let targets: Vec<u32> = program.steps.iter().filter_map(target).collect();
        for fd in std::iter::once(&mut *socket).chain(self.descriptors.iter_mut()) {
            move_off(fd, &targets).map_err(|error| Failure::system("arrange descriptors", &error))?;
        }
        self.socket = socket.as_raw_fd();
        self.close_all_else(self.socket)?;
        let cgroup = program.cgroup.map(|descriptor| self.descriptor(descriptor)).transpose()?;
        // The step for new mounts makes them.
        let namespaces = program.namespaces & !(libc::CLONE_NEWNS as u32);
        self.has_new_users = namespaces & libc::CLONE_NEWUSER as u32 != 0;
        if namespaces & libc::CLONE_NEWPID as u32 != 0 {
            // It is outside, where there are no numbers.
            self.parent = 0;
        }
        if self.starter.is_forked && namespaces != 0 {
            self.calls.step("namespaces", Object::None);
            self.calls.unshare(namespaces);
        }
        let any = |is: fn(&Step<'_>) -> bool| program.steps.iter().any(is);
        self.keeps_capabilities = any(|step| matches!(step, Step::Capabilities(_)));
        let manner = Manner {
            namespaces,
            cgroup,
            socket: self.socket,
            // The score is kept alike, the map cannot be written while the memory is hidden, and a filter may kill with a core dump, which
            // before Linux 5.16 killed all that shared the memory.
            needs_copy: any(|step| matches!(step, Step::OomScoreAdj(_) | Step::MapIds { .. } | Step::Filter(_))),
            can_be_debugged: self.starter.can_be_debugged,
            changes_users: any(|step| matches!(step, Step::User(_) | Step::Group(_) | Step::Capabilities(_))),
            is_filtered: any(|step| matches!(step, Step::Filter(_))),
        };
        for step in program.steps {
            self.step(step)?;
        }
        let mut joining = Calls::new();
        if let Some(cgroup) = cgroup {
            joining.step("cgroup", Object::None);
            joining.write_at(cgroup, c"cgroup.procs", "0");
        }
        Ok(Plan {
            joining,
            calls: self.calls,
            files: super::places::candidates(program.file, program.path),
            name: program.file,
            arguments: program.arguments,
            environment: program.environment,
            manner,
        })
    }

    /// The new process has copies of all descriptors of this one. What it does not need must be closed before anything can block: others wait for
    /// the end of theirs.
    fn close_all_else(&mut self, socket: RawFd) -> Result<(), Failure> {
        self.calls.step("close inherited descriptors", Object::None);
        let kept: Vec<RawFd> = self.descriptors.iter().map(AsRawFd::as_raw_fd).chain([socket]).collect();
        if close::has_ranges() {
            for (first, last) in close::ranges_between(kept) {
                self.calls.close_range(first as u32, last as u32);
            }
            return Ok(());
        }
        let open = close::open_descriptors().map_err(|error| Failure::system("list descriptors", &error))?;
        for fd in open.into_iter().filter(|fd| *fd > 2 && !kept.contains(fd)) {
            self.calls.close(fd as u32);
        }
        Ok(())
    }

    fn descriptor(&self, number: u16) -> Result<RawFd, Failure> {
        let fd = self.descriptors.get(usize::from(number));
        fd.map(AsRawFd::as_raw_fd)
            .ok_or_else(|| super::prepare::not_understood(Malformed("a descriptor that did not come")))
    }

    fn step(&mut self, step: Step<'a>) -> Result<(), Failure> {
        let path = |path: &'a CStr| Object::Quoted(path.to_bytes());
        let number = |number: i64| Object::Words(number.to_string());
        match step {
            Step::Place { descriptor, at } => {
                let from = self.descriptor(descriptor)?;
                match at {
                    0..=2 => self.make(stdio::NAMES[at as usize], Object::None, |c| c.place(from, at)),
                    _ => self.make("fd_at", number(at.into()), |c| c.place(from, at)),
                }
            }
            Step::Close { at } => self.calls.close(at),
            Step::Keep { at } => {
                let socket = self.socket;
                self.make("keep the socket open", Object::None, |c| c.place(socket, at));
            }
            Step::MapIds { inside } => self.map_ids(inside),
            Step::PrivateMounts => {
                self.make("namespaces", Object::Words("(mounts)".into()), |c| {
                    c.unshare(libc::CLONE_NEWNS as u32);
                    c.make_mounts_private();
                });
            }
            Step::SetSession => self.make("setsid", Object::None, Calls::setsid),
            Step::ProcessGroup(group) => self.make("process_group", number(group.into()), |c| c.setpgid(group)),
            Step::ControllingTerminal { descriptor } => {
                let terminal = self.descriptor(descriptor)?;
                self.make("controlling_terminal", Object::None, |c| c.set_controlling_terminal(terminal));
            }
            Step::Enter { descriptor } => {
                let directory = self.descriptor(descriptor)?;
                self.make("keep the current directory", Object::None, |c| c.fchdir(directory));
            }
            Step::Limit { resource, soft, hard } => {
                let name =
                    Limit::of_number(resource).map_or_else(|| resource.to_string(), |limit| format!("{limit:?}"));
                self.make("rlimit", Object::Words(name.to_uppercase()), |c| c.limit(resource, soft, hard));
            }
            Step::Nice(nice) => self.make("nice", number(nice.into()), |c| c.nice(nice)),
            Step::Affinity(bits) => self.make("cpu_affinity", Object::None, |c| c.affinity(bits)),
            Step::OomScoreAdj(score) => self.make("oom_score_adj", number(score.into()), |c| {
                c.write(c"/proc/self/oom_score_adj", &score.to_string());
            }),
            Step::Umask(mask) => self.calls.umask(mask),
            Step::ChangeRoot(root) => self.make("chroot", path(root), |c| c.chroot(root)),
            Step::BoundCapabilities(bits) => self.bound_capabilities(bits),
            Step::Groups(groups) => self.make("groups", Object::None, |c| c.setgroups(&groups)),
            Step::DropGroups if may_set_groups() => self.make("groups", Object::None, |c| c.setgroups(&[])),
            Step::DropGroups => {}
            Step::Group(group) => self.make("gid", number(group.into()), |c| c.setgid(group)),
            Step::User(user) => self.make("uid", number(user.into()), |c| c.setuid(user)),
            Step::Capabilities(bits) => self.keep_capabilities(bits),
            Step::Directory(directory) => self.make("current_dir", path(directory), |c| c.chdir(directory)),
            Step::NoNewPrivileges => {
                self.make("no_new_privs", Object::None, |c| c.prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0));
            }
            Step::Restrict { descriptor } => {
                let ruleset = self.descriptor(descriptor)?;
                self.make("landlock", Object::None, |c| c.restrict(ruleset));
            }
            Step::Entry { name, arguments } => {
                let inputs = arguments.iter().map(|octets| Input::Arg(Blob::owned(octets.to_vec()))).collect();
                *self.entry = Some(EntryStep { after: self.calls.len(), name: name.to_vec(), arguments: inputs });
            }
            Step::Signals { ignored, blocked } => self.signals(ignored, blocked),
            Step::AdoptOrphans => {
                self.make("adopt_orphans", Object::None, |c| c.prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0));
            }
            Step::DeathSignal(signal) => {
                let parent = self.parent;
                self.make("parent_death_signal", number(signal.into()), |c| {
                    c.prctl(libc::PR_SET_PDEATHSIG, signal as usize, 0);
                    c.expect_parent(parent);
                });
            }
            Step::Filter(instructions) => self.make("seccomp", Object::None, |c| c.filter(instructions)),
        }
        Ok(())
    }

    /// Calls that belong to a step, by which it is named when one fails.
    fn make(&mut self, step: &'static str, object: Object<'a>, calls: impl FnOnce(&mut Calls<'a>)) {
        self.calls.step(step, object);
        calls(&mut self.calls);
    }

    fn map_ids(&mut self, inside: [u32; 2]) {
        let outside = [rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()];
        self.make("namespaces", Object::Words("(the map of users)".into()), |c| {
            c.write(c"/proc/self/setgroups", "deny");
            for (file, index) in [(c"/proc/self/uid_map", 0), (c"/proc/self/gid_map", 1)] {
                c.write(file, &format!("{} {} 1\n", inside[index], outside[index]));
            }
        });
    }

    /// No other capability can be had any more, from a set-user-ID program neither.
    fn bound_capabilities(&mut self, bits: u64) {
        let keeps_capabilities = self.keeps_capabilities;
        let own = rustix::thread::capabilities(None).ok().filter(|_| !self.has_new_users);
        self.make("capabilities", Object::None, |c| {
            if keeps_capabilities {
                c.prctl(libc::PR_SET_KEEPCAPS, 1, 0);
            }
            let known = (0..64).take_while(|capability| crate::sys::call::knows_capability(*capability));
            for capability in known.filter(|capability| bits >> capability & 1 == 0) {
                c.prctl(libc::PR_CAPBSET_DROP, capability, 0);
                c.prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_LOWER as usize, capability);
            }
            // An exec by root gives back what can be inherited. (In a new user namespace that is nothing.)
            if let Some(own) = own {
                c.capset([own.effective.bits(), own.permitted.bits(), own.inheritable.bits() & bits]);
            }
        });
    }

    fn keep_capabilities(&mut self, bits: u64) {
        self.make("keep_capabilities", Object::None, |c| {
            c.capset([bits; 3]);
            for capability in (0..64).filter(|capability| bits >> capability & 1 == 1) {
                c.prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as usize, capability);
            }
        });
    }

    fn signals(&mut self, ignored: u64, blocked: u64) {
        // A handler of the template's must not run before the exec, when its memory may be shared.
        let Dispositions { ignored: before, handled } = self.starter.signals;
        // What an entry changes is not known yet.
        let changed = if self.starter.is_forked { CHANGEABLE } else { (ignored ^ before) | handled };
        self.make("signals", Object::None, |c| {
            for signal in (1..=64).filter(|signal| changed >> (signal - 1) & 1 == 1) {
                c.disposition(signal, ignored >> (signal - 1) & 1 == 1);
            }
            c.block(blocked);
        });
    }
}

/// The number of a descriptor that a step sets.
fn target(step: &Step<'_>) -> Option<u32> {
    match step {
        Step::Place { at, .. } | Step::Close { at } | Step::Keep { at } => Some(*at),
        _ => None,
    }
}

/// Gives a descriptor a number that no step sets.
fn move_off(fd: &mut OwnedFd, targets: &[u32]) -> io::Result<()> {
    // Kept open meanwhile, or their numbers would come again.
    let mut left = Vec::new();
    while targets.contains(&(fd.as_raw_fd() as u32)) {
        let copy = rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), 3)?;
        left.push(std::mem::replace(fd, copy));
    }
    Ok(())
}

/// The signals whose disposition can be changed: all but SIGKILL and SIGSTOP.
const CHANGEABLE: u64 = !(1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1));

/// Whether this process, and so one that it starts, may choose its groups.
fn may_set_groups() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETGID))
}

/// The new process is the one that a forked process is: it becomes the program.
pub(super) fn become_program(mut process: super::Process, octets: Vec<u8>, mut descriptors: Descriptors) -> ! {
    let pid = rustix::process::getppid().map_or(0, Pid::as_raw_pid) as u32;
    let starter = Starter { pid, signals: signal::dispositions(), can_be_debugged: false, is_forked: true };
    let Compiled { launch, entry } = match compile(octets, &mut process.socket, &mut descriptors, &starter) {
        Ok(compiled) => compiled,
        Err(failure) => process.fail(failure),
    };
    super::go_on_without_parent(&process);
    let after = entry.as_ref().map_or(0, |entry| entry.after);
    launch.prepare_self(after);
    if let Some(EntryStep { name, arguments, .. }) = entry {
        if socket::is_abandoned(&process.socket) {
            exit::now(0);
        }
        if let Err(failure) = super::prepare::run_entry(&name, arguments) {
            process.fail(failure);
        }
    }
    exit::flush_output();
    launch.replace_self(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_gives_way_to_a_number_that_is_to_be_set() {
        let mut fd: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let targets: Vec<u32> = (0..200).collect();
        move_off(&mut fd, &targets).unwrap();
        assert!(fd.as_raw_fd() >= 200);
        let stays = fd.as_raw_fd();
        move_off(&mut fd, &targets).unwrap();
        assert_eq!(fd.as_raw_fd(), stays);
    }
}
