//! A program and all that it has started, to be killed together.

mod seen;

use crate::default_template;
use crate::error::{Error, ErrorKind, Result};
use crate::rt::{Awaited, Link};
use crate::sys::pidfd::{self, Life};
use crate::watch::{self, Lookout, TICK, Watch};
use crate::worker::Lifeline;
use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use seen::{Seen, process, processes, states};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

/// A kill may take so long.
const LIMIT: Duration = Duration::from_secs(10);

/// A program and all that it has started, on their way to their end: made by [`Child::start_kill_tree`](crate::Child::start_kill_tree).
///
/// **Await** it (features `tokio`, `smol`), or [wait](Killing::wait) for it, or bring it into any other event loop: see [`Pending`](crate::Pending). Each question looks
/// through `/proc`, which takes as long as there are processes, and once more each millisecond.
///
/// **Dropping** it before it has finished kills what has been found so far, and lets go on what was held up.
///
/// ```
/// # fn main() -> anyfork::Result<()> {
/// # use anyfork::{Child, Command};
/// let job = || Command::new("sh").args(["-c", "sleep 60 & sleep 60"]).setsid(true).spawn();
/// let mut jobs = [job()?, job()?, job()?];
/// let mut killings = Vec::from_iter(jobs.iter().map(Child::start_kill_tree));
/// while !killings.is_empty() {
///     killings.retain_mut(|killing| killing.try_finish().unwrap().is_none());
///     std::thread::sleep(std::time::Duration::from_millis(1)); // or whatever else is to be done
/// }
/// for job in &mut jobs {
///     assert_eq!(job.wait()?.signal(), Some(libc::SIGKILL));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it leaves those alive that have not been found yet"]
pub struct Killing {
    /// `None` once there is a result.
    begun: Option<Result<Begun>>,
    until: Instant,
    lookout: Lookout,
    link: Link,
}

impl Killing {
    /// `tree`, or why there is none.
    pub(crate) fn new(tree: Result<Tree>) -> Self {
        let begun = tree.and_then(|tree| {
            tree.life.check_maker("kill_tree")?;
            if tree.life.pidfd().is_none() {
                return Err(Error::new(ErrorKind::Unsupported, "kill_tree", "there are no pidfds here"));
            }
            let is_frozen = tree.cgroup.as_ref().map_or(Ok(false), freeze)?;
            Ok(Begun { tree, known: BTreeMap::new(), is_frozen, is_asked: false })
        });
        let (lookout, link) = Default::default();
        Killing { begun: Some(begun), until: Instant::now() + LIMIT, lookout, link }
    }

    /// Whether none of them is left (`Some`). Does not wait for that.
    ///
    /// # Errors
    /// As [`Child::kill_tree`](crate::Child::kill_tree); after a result (or an error) was returned, [`InvalidInput`](ErrorKind::InvalidInput).
    pub fn try_finish(&mut self) -> Result<Option<()>> {
        let step = match &mut self.begun {
            Some(Ok(begun)) => begun.step(self.until).inspect(|_| {
                self.lookout.get().inspect(|watch| watch.take_tick());
            }),
            Some(Err(_)) => Ok(true),
            None => return Err(Error::new(ErrorKind::InvalidInput, "kill_tree", "it has finished before")),
        };
        if let Ok(false) = step {
            return Ok(None);
        }
        // Lets go on what was held up.
        let begun = self.begun.take().transpose()?;
        step?;
        // Those that may not be killed from here are left, and go on.
        match begun.is_some_and(|begun| begun.known.values().any(|member| member.is_denied)) {
            true => Err(Error::system("kill_tree", Errno::PERM)),
            false => Ok(Some(())),
        }
    }

    /// Waits until none of them is left. Blocks, 10 s at the longest.
    ///
    /// # Errors
    /// As [`Child::kill_tree`](crate::Child::kill_tree).
    pub fn wait(mut self) -> Result<()> {
        while self.try_finish()?.is_none() {
            std::thread::sleep(TICK);
        }
        Ok(())
    }
}

/// A tree that is being killed. Dropping it lets go on what was held up: nobody stays stopped.
#[derive(Debug)]
struct Begun {
    tree: Tree,
    /// Those of its processes that have been found, by number.
    known: BTreeMap<u32, Member>,
    is_frozen: bool,
    /// Whether there has been a question.
    is_asked: bool,
}

impl Begun {
    /// Whether none is left.
    fn step(&mut self, until: Instant) -> Result<bool> {
        self.tree.life.check_maker("kill_tree")?;
        self.is_asked = true;
        let is_over = match &self.tree.cgroup {
            Some(cgroup) => kill_members(cgroup)?,
            None => self.tree.stop_and_kill(&mut self.known, until)?,
        };
        if !is_over {
            in_time(until)?;
        }
        Ok(is_over)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.tree.life.check_maker("kill_tree").is_err() {
            return;
        }
        match &self.tree.cgroup {
            Some(cgroup) if self.is_frozen => drop(write_at(cgroup, c"cgroup.freeze", b"0")),
            Some(_) => {}
            None if !self.is_asked => {}
            None => {
                let _ = send(&mut self.known, Signal::KILL);
                let _ = self.tree.signal_group(Signal::KILL);
            }
        }
    }
}

impl AsFd for Killing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch().map_or_else(|_| watch::last_resort(), |watch| watch.as_fd())
    }
}

impl Awaited for Killing {
    fn watch(&self) -> Result<&Arc<Watch>> {
        self.lookout.get_or_make(|| {
            let watch = Arc::new(Watch::new()?);
            match &self.begun {
                Some(Ok(_)) => watch.set_ticking(Some(TICK))?,
                _ => watch.make_ready()?,
            }
            Ok(watch)
        })
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}

#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) life: Arc<Lifeline>,
    /// Whether the program's number is also that of its process group, and perhaps of its session.
    pub(crate) leads_group: bool,
    pub(crate) cgroup: Option<OwnedFd>,
}

impl Tree {
    /// Stops all, until there are no new ones, and kills them. `true`: none is left.
    fn stop_and_kill(&self, known: &mut BTreeMap<u32, Member>, until: Instant) -> Result<bool> {
        loop {
            // A signal to a group reaches a process that is forking and its child, so nobody comes and goes between two looks.
            self.signal_group(Signal::STOP)?;
            // Before the look: who has stopped by now has no child that comes into sight after it.
            let have_stopped = known.iter().all(|(pid, member)| member.has_stopped(*pid));
            if !self.find_new(known)? {
                if !have_stopped {
                    return Ok(false);
                }
                break;
            }
            send(known, Signal::STOP)?;
            in_time(until)?;
        }
        send(known, Signal::KILL)?;
        self.signal_group(Signal::KILL)?;
        known.retain(|_, member| pidfd::life(&member.pidfd).is_ok_and(|life| life == Life::Runs));
        // The program itself is told of by its template: a wait must not find that it still runs.
        let root_is_denied = known.get(&self.life.pid()).is_some_and(|member| member.is_denied);
        Ok(known.values().all(|member| member.is_denied) && (root_is_denied || self.life.life() != Life::Runs))
    }

    /// Signals the program's group, as long as the program has its number, and so the group its own.
    fn signal_group(&self, signal: Signal) -> Result<()> {
        if !self.leads_group || !self.is_itself() {
            return Ok(());
        }
        let group = Pid::from_raw(self.life.pid() as i32);
        match group.map_or(Ok(()), |group| rustix::process::kill_process_group(group, signal)) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            // To some of them: the others are found one by one, and so is what is wrong with them.
            Err(Errno::PERM) => Ok(()),
            Err(errno) => Err(Error::system("kill_tree", errno)),
        }
    }

    /// Whether the program still has its number.
    fn is_itself(&self) -> bool {
        self.life.pidfd().is_some_and(pidfd::has_number)
    }

    /// Looks for members that are not known yet. `true`: there are some, and they are known now.
    fn find_new(&self, known: &mut BTreeMap<u32, Member>) -> Result<bool> {
        let all = processes()?;
        let mut new = false;
        for pid in self.members(&all, known) {
            if known.contains_key(&pid) {
                continue;
            }
            let Some(start) = all.get(&pid).map(|process| process.start) else { continue };
            // Looked at again with the pidfd in hand: the number could have got another process meanwhile.
            let pidfd = pidfd::of(pid).map_err(|error| Error::system("kill_tree", error))?;
            let Some(pidfd) = pidfd else { continue };
            if process(pid)?.is_some_and(|process| process.start == start && process.is_alive()) {
                known.insert(pid, Member { pidfd, is_denied: false, since: Instant::now() });
                new = true;
            }
        }
        Ok(new)
    }

    /// The numbers of all members among the processes that were seen.
    fn members(&self, all: &HashMap<u32, Seen>, known: &BTreeMap<u32, Member>) -> HashSet<u32> {
        let root = self.life.pid();
        let root_is_itself = self.is_itself();
        let mut members: HashSet<u32> = known.keys().copied().collect();
        if root_is_itself {
            members.insert(root);
        }
        // A group keeps its number until its last process has ended. If there is a process of that number, and it is not the program, the
        // group is not the program's any more.
        if self.leads_group && (root_is_itself || !all.contains_key(&root)) {
            let adopters = self.adopters();
            let in_group = |seen: &&Seen| seen.group == root || seen.session == root;
            let ours = all.values().filter(in_group).filter(|seen| root_is_itself || adopters.contains(&seen.parent));
            members.extend(ours.map(|seen| seen.pid));
        }
        loop {
            let before = members.len();
            let children = all.values().filter(|seen| members.contains(&seen.parent)).map(|seen| seen.pid);
            let children: Vec<u32> = children.collect();
            members.extend(children);
            if members.len() == before {
                members.retain(|pid| all.get(pid).is_some_and(Seen::is_alive));
                return members;
            }
        }
    }

    /// Who may have adopted orphans of the program.
    fn adopters(&self) -> Vec<u32> {
        let lines = [self.life.line().cloned(), default_template::if_up()];
        lines.into_iter().flatten().filter_map(|line| Some(line.identity()?.pid)).collect()
    }
}

#[derive(Debug)]
struct Member {
    pidfd: OwnedFd,
    /// Whether the kernel refuses a signal to it.
    is_denied: bool,
    /// When it was found.
    since: Instant,
}

/// How long it may take until a process stops that waits for something: a disk, the child of its vfork(2), which may have been stopped, or those who have frozen it.
const PATIENCE: Duration = Duration::from_millis(100);

impl Member {
    /// Whether it cannot be forking any more. A fork that had begun when the signal came is finished first.
    fn has_stopped(&self, pid: u32) -> bool {
        let waits_too_long = self.since.elapsed() > PATIENCE;
        self.is_denied
            || pidfd::life(&self.pidfd).is_ok_and(|life| life != Life::Runs)
            || states(pid).into_iter().all(|state| match state {
                'T' | 't' | 'Z' | 'X' => true,
                'R' => false,
                _ => waits_too_long,
            })
    }
}

/// Later ones first: children before their parents, as a rule, and the program last.
fn send(to: &mut BTreeMap<u32, Member>, signal: Signal) -> Result<()> {
    for member in to.values_mut().rev() {
        match pidfd::signal(&member.pidfd, signal) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => member.is_denied = true,
            sent => sent.map_err(|error| Error::system("kill_tree", error))?,
        }
    }
    Ok(())
}

fn in_time(until: Instant) -> Result<()> {
    if Instant::now() < until {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Deadline, "kill_tree", format!("some processes are still there after {LIMIT:?}")))
}

/// Freezes a control group and those below it (version 2), so that each of its processes can be killed. Version 1 has no such file, and is
/// killed as it runs.
///
/// Not by `cgroup.kill`: Linux 6.12 and newer have killed, after that, what is born in the group by `CLONE_INTO_CGROUP`.
fn freeze(cgroup: &OwnedFd) -> Result<bool> {
    if members(cgroup)?.contains(&std::process::id()) {
        return Err(Error::new(ErrorKind::InvalidInput, "kill_tree", "this program is in the control group itself"));
    }
    Ok(write_at(cgroup, c"cgroup.freeze", b"1").is_ok())
}

/// Kills each process of a control group. `true`: none is left.
fn kill_members(cgroup: &OwnedFd) -> Result<bool> {
    // Empty is empty: a process that forks and ends is listed until its child is. (The dead are not listed.)
    let pids = members(cgroup)?;
    let pidfds = pids.iter().filter_map(|pid| Some(pidfd::of(*pid).transpose()?.map(|pidfd| (*pid, pidfd))));
    let pidfds: Vec<(u32, OwnedFd)> =
        pidfds.collect::<io::Result<_>>().map_err(|error| Error::system("kill_tree", error))?;
    // Looked at again with the pidfds in hand: none of them is a stranger that got the number.
    let still = if pids.is_empty() { Vec::new() } else { members(cgroup)? };
    for (_, pidfd) in pidfds.iter().filter(|(pid, _)| still.contains(pid)) {
        pidfd::signal(pidfd, Signal::KILL).map_err(|error| Error::system("kill_tree", error))?;
    }
    Ok(pids.is_empty())
}

fn members(cgroup: &OwnedFd) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    collect_members(cgroup, &mut pids).map(|()| pids).map_err(|error| Error::system("kill_tree (cgroup)", error))
}

fn write_at(directory: &OwnedFd, name: &std::ffi::CStr, octets: &[u8]) -> rustix::io::Result<usize> {
    let file = rustix::fs::openat(directory, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, octets)
}

/// The numbers of the processes in a group and in those below it. Groups that vanish meanwhile have none.
fn collect_members(cgroup: impl AsFd, pids: &mut Vec<u32>) -> io::Result<()> {
    let file = rustix::fs::openat(&cgroup, c"cgroup.procs", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let text = io::read_to_string(fs::File::from(file))?;
    pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(&cgroup, c".", flags, Mode::empty())?;
    for entry in Dir::new(directory)?.flatten() {
        let name = entry.file_name();
        if entry.file_type() != FileType::Directory || name == c"." || name == c".." {
            continue;
        }
        match rustix::fs::openat(&cgroup, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(below) => match collect_members(below, pids) {
                Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NODEV)) => {}
                result => result?,
            },
            Err(Errno::NOENT | Errno::NODEV) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
