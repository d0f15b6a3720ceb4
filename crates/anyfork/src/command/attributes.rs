//! What a program gets that needs `pre_exec` elsewhere: sessions, limits, users, confinement. Declared here, and followed as steps by the new process.

use super::{Command, Serving};
use crate::argument::ToArg;
use crate::capability::Capabilities;
use crate::entry::ToEntry;
use crate::error::{Error, ErrorKind};
use crate::limit::Limit;
use crate::namespace::Namespaces;
use crate::sys::stdio::{duplicate, open};
use rustix::fs::{Access, AtFlags, OFlags};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// See the methods of the same names.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) fds: BTreeMap<u32, OwnedFd>,
    /// It is an interpreter that serves processes.
    pub(super) serving: Option<Serving>,
    pub(super) namespaces: Namespaces,
    pub(super) cgroup: Option<OwnedFd>,
    pub(super) setsid: bool,
    pub(super) controlling_terminal: Option<OwnedFd>,
    pub(super) process_group: Option<i32>,
    pub(super) limits: Vec<(Limit, u64, u64)>,
    pub(super) nice: Option<i32>,
    pub(super) cpu_affinity: Option<Vec<u8>>,
    pub(super) oom_score_adj: Option<i32>,
    pub(super) umask: Option<u32>,
    pub(super) chroot: Option<OsString>,
    pub(super) keep_capabilities: Option<Capabilities>,
    pub(super) drop_capabilities: Capabilities,
    pub(super) groups: Option<Vec<u32>>,
    pub(super) gid: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) no_new_privs: bool,
    pub(super) landlock: Option<OwnedFd>,
    pub(super) entry: Option<(String, Vec<Vec<u8>>)>,
    pub(super) inherit_signals: bool,
    pub(super) adopt_orphans: bool,
    pub(super) death_signal: Option<i32>,
    pub(super) seccomp: Option<Vec<u8>>,
}

/// The highest CPU number that is accepted, plus one.
const MOST_CPUS: usize = 8192;

/// The highest descriptor number that is accepted, plus one: no kernel has more.
const MOST_DESCRIPTORS: u32 = 1 << 30;

/// What elsewhere needs `pre_exec`, in the order in which the new process does it, between its creation and the exec. The program's standard
/// input, output and error, and its current directory, come in between. Nothing blocks here, and what is wrong comes out of the start.
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// let script = "umask; nice; cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status";
/// let mut command = anyfork::Command::new("sh");
/// command.args(["-c", script]).umask(0o27).nice(19).oom_score_adj(1000).no_new_privs(true);
/// assert_eq!(command.output()?.stdout, b"0027\n19\n1000\nNoNewPrivs:\t1\n");
/// # Ok(())
/// # }
/// ```
impl Command {
    /// Gives the program a descriptor at a number of its choice, duplicated at once from `fd` (dup(2)) and closed when the `Command` is dropped. Any number below 2^30, in any permutation; a program can be given 251 descriptors in all. 0, 1 and 2 are
    /// set by [`stdin`](Command::stdin), [`stdout`](Command::stdout) and [`stderr`](Command::stderr), which this overrides.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (reader, writer) = std::io::pipe()?;
    /// anyfork::Command::new("sh").args(["-c", "echo 80% >&7"]).fd_at(7, writer).status()?;
    /// assert_eq!(std::io::read_to_string(reader)?, "80%\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn fd_at(&mut self, number: u32, fd: impl AsFd) -> &mut Self {
        if number >= MOST_DESCRIPTORS {
            return self.invalid("fd_at", format!("no process has a descriptor {number}"));
        }
        let before = match duplicate(fd) {
            Ok(copy) => self.attributes.fds.insert(number, copy),
            Err(errno) => return self.keep(Error::system("fd_at", errno)),
        };
        match before {
            Some(_) => self.invalid("fd_at", format!("two descriptors for the number {number}")),
            None => self,
        }
    }

    /// Puts the program into new namespaces, namespaces(7): see [`Namespaces`]. With [`Namespaces::USER`] it is root inside, and there is no other user or group
    /// there: [`uid`](Command::uid) and [`gid`](Command::gid) know 0 only, and [`groups`](Command::groups) fails.
    ///
    /// [`Namespaces::PID`] does not go together with [`pre_exec_entry`](Command::pre_exec_entry).
    pub fn namespaces(&mut self, namespaces: Namespaces) -> &mut Self {
        self.attributes.namespaces = namespaces;
        self
    }

    /// Starts the program in a control group, cgroups(7): the directory of one that the caller may write to. It is opened at once.
    ///
    /// The process is born in it (`CLONE_INTO_CGROUP`, clone(2)), so that it never counts elsewhere, where the hierarchy is of version 2 and the system lets
    /// templates use clone3(2); elsewhere, of a group of version 1, and together with [`pre_exec_entry`](Command::pre_exec_entry), it moves itself there before its
    /// exec, with the same effect on the program.
    ///
    /// It takes a directory that has been delegated to this user, so this is not run as a test:
    ///
    /// ```no_run
    /// # fn main() -> anyfork::Result<()> {
    /// let directory = "/sys/fs/cgroup/my.service/job"; // made before, with `memory.max` in it
    /// let mut child = anyfork::Command::new("make").cgroup(directory).spawn()?;
    /// child.kill_tree()?; // all that is in the group
    /// # Ok(())
    /// # }
    /// ```
    pub fn cgroup(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        let path = directory.as_ref();
        match open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(directory)
                if rustix::fs::accessat(&directory, "cgroup.procs", Access::EXISTS, AtFlags::empty()).is_ok() =>
            {
                self.attributes.cgroup = Some(directory);
                self
            }
            Ok(_) => {
                self.keep(Error::new(ErrorKind::InvalidInput, format!("cgroup {path:?}"), "it is no control group"))
            }
            Err(errno) => self.keep(Error::system(format!("cgroup {path:?}"), errno)),
        }
    }

    /// Makes the program the leader of a new session without a controlling terminal: setsid(2). See [`Child::kill_tree`](crate::Child::kill_tree).
    pub fn setsid(&mut self, setsid: bool) -> &mut Self {
        self.attributes.setsid = setsid;
        self
    }

    /// Makes the program the leader of a new session with this terminal, duplicated at once, as its controlling one: `TIOCSCTTY`, ioctl_tty(2). It is
    /// the program's only if it is also given as a descriptor. [`pty`](Command::pty) does all of that.
    ///
    /// ```
    /// # use {anyfork::Command, rustix::pty::{OpenptFlags, grantpt, ptsname, unlockpt}, std::fs::File};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    /// grantpt(&ours)?;
    /// unlockpt(&ours)?;
    /// let terminal = File::options().read(true).write(true).open(ptsname(&ours, Vec::new())?.to_str()?)?;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "echo hello > /dev/tty"]).controlling_terminal(&terminal);
    /// assert!(command.status()?.success());
    /// let mut text = [0; 5];
    /// assert_eq!((rustix::io::read(&ours, &mut text)?, &text), (5, b"hello"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn controlling_terminal(&mut self, terminal: impl AsFd) -> &mut Self {
        match duplicate(terminal) {
            Ok(copy) => {
                self.attributes.controlling_terminal = Some(copy);
                self
            }
            Err(errno) => self.keep(Error::system("controlling_terminal", errno)),
        }
    }

    /// Puts the program into a process group; 0: a new one of its own. setpgid(2), as [`std::os::unix::process::CommandExt::process_group`].
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// # use rustix::process::{Pid, Signal, kill_process_group};
    /// let mut child = anyfork::Command::new("sh").args(["-c", "sleep 60; true"]).process_group(0).spawn()?;
    /// kill_process_group(Pid::from_raw(child.id() as i32).unwrap(), Signal::TERM).unwrap(); // `sleep` too, not this program
    /// assert_eq!(child.wait()?.signal(), Some(libc::SIGTERM));
    /// # Ok(())
    /// # }
    /// ```
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.attributes.process_group = Some(group);
        self
    }

    /// Limits a resource, setrlimit(2): soft and hard limit, `None` for no limit. A hard limit above the template's needs a privilege.
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// let output = anyfork::Command::new("sh")
    ///     .args(["-c", "ulimit -n; ulimit -Hn"])
    ///     .rlimit(anyfork::Limit::Nofile, 64, 128)
    ///     .output()?;
    /// assert_eq!(output.stdout, b"64\n128\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn rlimit(&mut self, limit: Limit, soft: impl Into<Option<u64>>, hard: impl Into<Option<u64>>) -> &mut Self {
        let [soft, hard] = [soft.into(), hard.into()].map(|value| value.unwrap_or(u64::MAX));
        self.attributes.limits.retain(|(other, ..)| *other != limit);
        self.attributes.limits.push((limit, soft, hard));
        self
    }

    /// Sets the nice value, from -20 to 19: setpriority(2). Below the present one needs a privilege.
    pub fn nice(&mut self, nice: i32) -> &mut Self {
        if !(-20..20).contains(&nice) {
            return self.invalid("nice", format!("{nice} is not between -20 and 19"));
        }
        self.attributes.nice = Some(nice);
        self
    }

    /// Lets the program run on these CPUs only, with numbers below 8,192: sched_setaffinity(2).
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// # let own = rustix::thread::sched_getaffinity(None).unwrap();
    /// # let cpu = (0..).find(|cpu| own.is_set(*cpu)).unwrap();
    /// let mut command = anyfork::Command::new("grep");
    /// let output = command.args(["Cpus_allowed_list", "/proc/self/status"]).cpu_affinity([cpu]).output()?;
    /// assert_eq!(output.stdout, format!("Cpus_allowed_list:\t{cpu}\n").as_bytes());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cpu_affinity(&mut self, cpus: impl IntoIterator<Item = usize>) -> &mut Self {
        let mut bits = Vec::new();
        for cpu in cpus {
            if cpu >= MOST_CPUS {
                return self.invalid("cpu_affinity", format!("no CPU {cpu}"));
            }
            bits.resize(bits.len().max(cpu / 8 + 1), 0);
            bits[cpu / 8] |= 1 << (cpu % 8);
        }
        self.attributes.cpu_affinity = Some(bits);
        self
    }

    /// How gladly the kernel kills the program when memory runs out, from -1000 (never) to 1000: proc_pid_oom_score_adj(5). Lower than the
    /// template's needs a privilege.
    pub fn oom_score_adj(&mut self, score: i32) -> &mut Self {
        self.attributes.oom_score_adj = Some(score);
        self
    }

    /// The umask of the program, instead of the caller's at the time of the start. Only the bits of 0777 count: umask(2).
    pub fn umask(&mut self, mask: u32) -> &mut Self {
        self.attributes.umask = Some(mask & 0o777);
        self
    }

    /// Changes the program's root directory: chroot(2). A relative path begins at the caller's current directory. The program's current directory is the
    /// new root, or what [`current_dir`](Command::current_dir) names inside; so is the program's file.
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// let error = anyfork::Command::new("/bin/true").chroot("/proc/self").output().unwrap_err();
    /// match error.raw_os_error() {
    ///     Some(libc::EPERM) => {} // it takes CAP_SYS_CHROOT
    ///     _ => assert!(error.to_string().starts_with("exec \"/bin/true\": No such file"), "{error}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn chroot(&mut self, root: impl AsRef<Path>) -> &mut Self {
        self.attributes.chroot = Some(root.as_ref().as_os_str().to_owned());
        self
    }

    /// Runs a registered entry with these arguments in the new process, before its exec: after users, directories and Landlock, before the last of all, the seccomp filter. If it
    /// fails, so does the start, with [`Preparation`](ErrorKind::Preparation) and its message.
    ///
    /// Unlike with [`pre_exec`](std::os::unix::process::CommandExt::pre_exec) of std, it may allocate and lock: the process is forked from a template, which has
    /// one thread. It costs that fork. What the entry opens without close-on-exec, the program has.
    ///
    /// ```
    /// #[anyfork::entry]
    /// fn punctual(nanoseconds: std::num::NonZeroU64) -> std::io::Result<()> {
    ///     Ok(rustix::thread::set_current_timer_slack(Some(nanoseconds))?) // kept across the exec: prctl(2)
    /// }
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// let mut command = anyfork::Command::new("cat");
    /// command.arg("/proc/self/timerslack_ns").pre_exec_entry(punctual, [1000]);
    /// assert_eq!(command.output()?.stdout, b"1000\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn pre_exec_entry<By, I>(&mut self, entry: impl ToEntry<By>, args: I) -> &mut Self
    where
        I: IntoIterator,
        I::Item: ToArg,
    {
        let args = args.into_iter().map(|arg| arg.to_arg().into_owned()).collect();
        self.attributes.entry = Some((entry.entry_name().into(), args));
        self
    }

    /// Gives the program the signals that the caller ignores and blocks at the time of the start, as [`std::process::Command`] does (SIGPIPE gets its default
    /// disposition in any case). Otherwise it begins with default dispositions, and blocks none.
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// // As under nohup(1): what this program starts with `inherit_signals` outlives the terminal, too.
    /// # unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    /// let hang_up = |inherit| anyfork::Command::new("sh").args(["-c", "kill -HUP $$; exit 3"]).inherit_signals(inherit).status();
    /// assert_eq!((hang_up(true)?.code(), hang_up(false)?.signal()), (Some(3), Some(libc::SIGHUP)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn inherit_signals(&mut self, inherit: bool) -> &mut Self {
        self.attributes.inherit_signals = inherit;
        self
    }

    /// Makes the program adopt the orphans among its descendants: `PR_SET_CHILD_SUBREAPER`, prctl(2). So none of them gets out of reach of
    /// [`Child::kill_tree`](crate::Child::kill_tree) while the program lives. It finds them among its children, which not every program expects.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use {anyfork::{Command, Stdio}, std::io::Read};
    /// let daemon = "(setsid sh -c 'echo; sleep 1; echo alive' &); sleep 60";
    /// let mut command = Command::new("sh");
    /// let mut child = command.args(["-c", daemon]).stdout(Stdio::piped()).adopt_orphans(true).spawn()?;
    /// child.stdout.as_mut().unwrap().read_exact(&mut [0])?; // it has a session of its own now, and no parent
    /// child.kill_tree()?;
    /// assert_eq!(child.wait_with_output()?.stdout, b"");
    /// # Ok(())
    /// # }
    /// ```
    pub fn adopt_orphans(&mut self, adopt: bool) -> &mut Self {
        self.attributes.adopt_orphans = adopt;
        self
    }

    /// The signal that the program gets when this one ends, however it ends: `PR_SET_PDEATHSIG`, prctl(2). It comes from the template, which ends with this program,
    /// so it does not depend on the thread that made the call. The kernel forgets it when the program is a set-user-ID one.
    /// [`die_with_owner`](Command::die_with_owner) is the same with SIGKILL.
    ///
    /// ```
    /// # fn main() -> anyfork::Result<()> {
    /// let mut server = anyfork::Command::new("sleep"); // one that tidies up at SIGTERM
    /// let child = server.arg("60").parent_death_signal(libc::SIGTERM).spawn()?;
    /// # child.kill()?;
    /// let error = server.parent_death_signal(65).spawn().unwrap_err();
    /// assert_eq!(error.to_string(), "parent_death_signal: 65 is no signal");
    /// # Ok(())
    /// # }
    /// ```
    pub fn parent_death_signal(&mut self, signal: i32) -> &mut Self {
        if !(1..=64).contains(&signal) {
            return self.invalid("parent_death_signal", format!("{signal} is no signal"));
        }
        self.attributes.death_signal = Some(signal);
        self
    }

    pub(super) fn invalid(&mut self, step: &'static str, message: String) -> &mut Self {
        self.keep(Error::new(ErrorKind::InvalidInput, step, message))
    }
}
