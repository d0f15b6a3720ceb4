//! A template: forks on request, reports how its children ended, and ends with its owner.

use super::program::{self, Compiled, Starter};
use super::reaper::{Child, Reaper};
use super::spares::Spares;
use super::{Owner, Process, announce, has_threads, prepare, send_failure};
use crate::channel::{Descriptors, Filled, Message, Outbox};
use crate::entry::AFTER_FORK;
use crate::handover::{self, Nonce};
use crate::modules;
use crate::outcome::catch_panic;
use crate::sys::exit;
use crate::sys::fork::{self, Fork};
use crate::sys::launch::{Stacks, Started};
use crate::sys::signal::{self, Deaf};
use crate::sys::socket::{self, Blocking};
use crate::sys::threads::{self, SingleThread};
use crate::trace;
use crate::wire::{Failure, FailureKind, Malformed, Order, Reply, Role};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{DumpableBehavior, Signal};
use smallvec::SmallVec;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// With so many bytes of reports unread, no more orphans are reported.
const MOST_UNREAD: usize = 64 * 1024;

/// How often the parent is looked at where there are no pidfds.
const LOOK: Duration = Duration::from_millis(250);

/// How often reports are tried again that wait for others to take their descriptors in.
const JAMMED: Duration = Duration::from_millis(10);

struct Template {
    process: Process,
    deaf: Deaf,
    reaper: Reaper,
    /// Reports that the owner has not taken yet.
    reports: Outbox,
    /// Of this user's descriptors are too many under way (unix(7)): that the socket is writable says nothing then.
    is_jammed: bool,
    spares: Spares,
    /// Fork no more; end when nobody depends on this process.
    ending: bool,
    /// Without a pidfd of the owner: whether the owner is the parent, whose end the system shows as another parent.
    watches_parent: bool,
    /// The socket is at its end; only the owner's pidfd tells now.
    alone: bool,
    starter: Starter,
    /// Programs whose processes may still be in this one's memory, on their way to the exec.
    under_way: Vec<Started>,
    stacks: Stacks,
    /// Whether one that was under way has taken that away.
    is_hidden: bool,
}

/// What an order made of the calling process.
enum Became {
    Same,
    /// It is the new process, and this is its socket.
    Child {
        single: SingleThread,
        socket: OwnedFd,
        role: Role,
        exec: Option<Nonce>,
    },
}

/// Serves fork orders. Returns in each fork, as the new process; the template itself ends in here.
pub(super) fn serve(mut process: Process) -> Process {
    let pid = std::process::id();
    let proof = match threads::single() {
        Ok(proof) => proof,
        Err(threads) => process.fail(has_threads("become a template", &threads)),
    };
    // What is half-written now would come out once more in every fork.
    exit::flush_output();
    exit::skip_earlier_handlers();
    process.set_title(&proof, if process.adopts { "default template" } else { "template" });
    let deaf = match Deaf::new(&proof) {
        Ok(deaf) => deaf,
        Err(error) => process.fail(Failure::system("read signals", &error)),
    };
    // From here on the owner's end is seen on its socket and its pidfd, unless this process is stopped. So it is continued when its
    // parent ends: the owner, or a template that ends with the owner, or whoever adopted it from that. It may come when only a
    // thread of the owner ends (prctl(2), PR_SET_PDEATHSIG), and does no harm then.
    // Before the answer: whoever hears that may end the template above, which would kill a process that still counts as being prepared.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::CONT));
    if announce(&process.socket, &Reply::Ready { pid }, process.pidfd.take()).is_err() {
        exit::now(0);
    }
    let owner = &process.owner;
    let watches_parent = owner.pidfd.is_none() && parent() == owner.pid;
    let can_be_debugged = rustix::process::dumpable_behavior() == Ok(DumpableBehavior::Dumpable);
    let starter = Starter { pid, signals: signal::dispositions(), can_be_debugged, is_forked: false };
    let mut template = Template {
        process,
        watches_parent,
        deaf,
        reaper: Reaper::default(),
        reports: Outbox::default(),
        is_jammed: false,
        spares: Spares::default(),
        ending: false,
        alone: false,
        starter,
        under_way: Vec::new(),
        stacks: Stacks::default(),
        is_hidden: false,
    };
    loop {
        match template.turn() {
            Ok(Became::Same) => {}
            Ok(Became::Child { single, socket, role, exec }) => {
                return template.into_child(single, socket, role, exec);
            }
            // Its owner sees the socket close; nothing else could be told to it.
            Err(_) => template.end(),
        }
    }
}

impl Template {
    /// Sleeps, then does all there is to do.
    fn turn(&mut self) -> io::Result<Became> {
        if self.ending && !self.reaper.has_dependents() {
            exit::now(0);
        }
        self.recycle();
        // What came with the last order but was behind it is here already, and nothing would wake us for it.
        if let child @ Became::Child { .. } = self.follow_orders()? {
            return Ok(child);
        }
        let [orders, child_ended, owner_ended] = self.sleep()?;
        if owner_ended {
            self.read_last_orders();
            self.end();
        }
        self.send_reports();
        if orders && let child @ Became::Child { .. } = self.take_orders()? {
            return Ok(child);
        }
        self.collect(if child_ended { self.deaf.ended_child() } else { None });
        // Orders first: what is started now does not wait for what may be started later. And none of which the owner could not be told: it has more than it takes.
        let due = if orders || !self.reports.is_empty() { None } else { self.spares.next() };
        Ok(due.map_or(Became::Same, |id| self.fork_spare(id)))
    }

    /// Sleeps until there are orders, a child has ended, or the owner has.
    fn sleep(&self) -> io::Result<[bool; 3]> {
        let waits_for_room = !self.reports.is_empty() && !self.is_jammed;
        let orders = if waits_for_room { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let jammed = (!self.reports.is_empty() && self.is_jammed && !self.alone).then_some(JAMMED);
        let mut polls: SmallVec<[PollFd<'_>; 3]> = SmallVec::new();
        polls.push(PollFd::new(&self.deaf, PollFlags::IN));
        if !self.alone {
            polls.push(PollFd::new(&self.process.socket, orders));
        }
        let owner_at = polls.len();
        if let Some(pidfd) = &self.process.owner.pidfd {
            polls.push(PollFd::new(pidfd, PollFlags::IN));
        }
        let look = self.watches_parent.then_some(LOOK);
        let spares = if self.reports.is_empty() { self.spares.timeout() } else { None };
        let timeout = [self.reaper.timeout(), look, jammed, spares].into_iter().flatten().min();
        let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut polls, timeout.as_ref()))?;
        let ready = |index: usize| polls.get(index).is_some_and(|poll| !poll.revents().is_empty());
        let owner_ended = ready(owner_at) || (self.watches_parent && parent() != self.process.owner.pid);
        Ok([!self.alone && ready(1), ready(0), owner_ended])
    }

    fn take_orders(&mut self) -> io::Result<Became> {
        match self.process.inbox.fill(&self.process.socket, Blocking::No)? {
            Filled::Some => {}
            Filled::Nothing => return Ok(Became::Same),
            // An owner that has said so keeps no handle, but those that depend on it live as long as it does.
            Filled::End if self.ending && (self.watches_parent || self.process.owner.pidfd.is_some()) => {
                self.alone = true
            }
            Filled::End => self.end(),
        }
        self.follow_orders()
    }

    fn follow_orders(&mut self) -> io::Result<Became> {
        while let Some(message) = self.process.inbox.next().map_err(invalid)? {
            if let child @ Became::Child { .. } = self.follow(message)? {
                return Ok(child);
            }
        }
        Ok(Became::Same)
    }

    fn follow(&mut self, mut message: Message) -> io::Result<Became> {
        let order = Order::parse(message.frame.get()).map_err(invalid)?;
        if let Order::Spawn { id, role, program } = order {
            // More will come, with their environment. A template that only forks has no large buffer, whose pages each fork would copy.
            self.process.inbox.expect_long();
            self.spawn(id, role, program.to_vec(), message.descriptors);
            return Ok(Became::Same);
        }
        let descriptor = message.descriptors.pop();
        match order {
            Order::Fork { id, role } => return Ok(self.fork(id, role, None, descriptor)),
            Order::Exec { id, role, nonce } => return Ok(self.fork(id, role, Some(nonce), descriptor)),
            Order::Signal { id, signal } => self.signal(id, signal),
            Order::Mark { id, role } => self.mark(id, role),
            Order::Own { owner } => {
                let program = std::mem::take(&mut self.process.owner.program);
                self.process.owner = Owner::new(owner, descriptor, program);
                self.watches_parent = self.process.owner.pidfd.is_none() && parent() == owner;
                self.spares.clear();
                self.reaper.forget_ids();
                // It reads until it finds the answer, so this does not block for long.
                self.reports.flush(&self.process.socket, Blocking::Yes)?;
                announce(&self.process.socket, &Reply::Ready { pid: self.starter.pid }, None)?;
            }
            Order::Spares { first, count, delay_us } if !self.ending => self.spares.order(first, count, delay_us),
            Order::Spares { .. } => {}
            Order::End => {
                self.ending = true;
                self.spares.clear();
                self.reaper.kill_spares();
            }
            _ => return Err(invalid(Malformed("an order for a process that is no template yet"))),
        }
        Ok(Became::Same)
    }

    /// A failed fork is one failed request: the reason goes to the socket that came with it.
    fn fork(&mut self, id: u64, role: Role, exec: Option<Nonce>, socket: Option<OwnedFd>) -> Became {
        let Some(socket) = socket else {
            self.descriptors_were_lost(id);
            return Became::Same;
        };
        match self.make(id, role) {
            Ok(Fork::Child(single)) => return Became::Child { single, socket, role, exec },
            Ok(Fork::Parent(_)) => {}
            Err(failure) => send_failure(socket, failure, Blocking::No),
        }
        Became::Same
    }

    /// Forks in advance. The owner gets its end of the socket with the report.
    fn fork_spare(&mut self, id: u64) -> Became {
        // Who has something to do goes first: a few in a row take a millisecond.
        rustix::thread::sched_yield();
        let made = socket::pair().map_err(|error| Failure::system("make a socket pair", &error));
        let made = made.and_then(|(ours, theirs)| Ok((self.make(id, Role::Spare)?, ours, theirs)));
        match made {
            // The owner's end is closed here, or nobody here would see it close there.
            Ok((Fork::Child(single), _, socket)) => {
                return Became::Child { single, socket, role: Role::Spare, exec: None };
            }
            Ok((Fork::Parent(pid), ours, _)) => {
                self.reply(&Reply::Spare { id, pid }, Some(ours));
            }
            Err(failure) => self.reply(&Reply::NotForked { id, errno: failure.errno }, None),
        }
        Became::Same
    }

    fn make(&mut self, id: u64, role: Role) -> Result<Fork, Failure> {
        let span = trace::Fork::new();
        let proof = threads::single().map_err(|threads| has_threads("fork", &threads))?;
        let forked = fork::fork(proof).map_err(|error| Failure::system("fork in the template", &error))?;
        match &forked {
            Fork::Child(_) => span.go_on_inside(),
            Fork::Parent(pid) => {
                self.reaper.add(*pid, Child { id: Some(id), role });
                span.made(*pid);
            }
        }
        Ok(forked)
    }

    /// Starts an external program. As a failed fork, a failed start is one failed request.
    fn spawn(&mut self, id: u64, role: Role, octets: Vec<u8>, mut descriptors: Descriptors) {
        if descriptors.is_empty() {
            return self.descriptors_were_lost(id);
        }
        let mut socket = descriptors.remove(0);
        let started = program::compile(octets, &mut socket, &mut descriptors, &self.starter).and_then(|compiled| {
            let Compiled { launch, entry: None } = compiled else {
                return Err(prepare::not_understood(Malformed("an entry for a program that is not forked")));
            };
            // A fork as such fails for want of something; namespaces fail for themselves.
            let wants =
                |error: &io::Error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory);
            let namespaces = launch.has_namespaces();
            launch.start(&mut self.stacks).map_err(|error| match namespaces && !wants(&error) {
                true => Failure::system("namespaces", &error),
                false => Failure::system("fork in the template", &error),
            })
        });
        match started {
            Ok(started) => {
                self.reaper.add(started.pid, Child { id: Some(id), role });
                self.is_hidden |= started.hides_memory();
                self.under_way.push(started);
            }
            Err(failure) => send_failure(socket, failure, Blocking::No),
        }
    }

    fn descriptors_were_lost(&mut self, id: u64) {
        let errno = rustix::io::Errno::MFILE.raw_os_error();
        self.reply(&Reply::NotForked { id, errno }, None);
    }

    /// Takes back the memory of programs that have become themselves.
    fn recycle(&mut self) {
        for index in (0..self.under_way.len()).rev() {
            let started = &self.under_way[index];
            if !self.reaper.has(started.pid) {
                started.note_end();
            }
            if started.has_left() {
                self.under_way.swap_remove(index).recycle(&mut self.stacks);
            }
        }
        // Not before: the new user could debug the new process, and so write to this memory.
        if self.is_hidden && !self.under_way.iter().any(Started::hides_memory) {
            self.is_hidden = false;
            self.show();
        }
    }

    /// Lets this process be debugged again as before.
    fn show(&self) {
        if self.starter.can_be_debugged {
            let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
        }
    }

    /// In the child: what belongs to the template is closed or forgotten, what was queued is inherited.
    fn into_child(self, single: SingleThread, socket: OwnedFd, role: Role, exec: Option<Nonce>) -> Process {
        if self.is_hidden {
            self.show();
        }
        let Template { process, deaf, reaper, reports, starter, under_way, stacks, .. } = self;
        deaf.hear();
        under_way.into_iter().for_each(Started::forget);
        stacks.forget();
        // Their memory stays shared with the template as long as it is not touched.
        let Outbox { descriptors, bytes, .. } = reports;
        // Others' sockets, which have not been sent yet.
        drop(descriptors);
        std::mem::forget((reaper, bytes));
        let Process { socket: own, inbox, inputs, owner, .. } = process;
        drop(own);
        inbox.leave();
        // The user's hooks may make threads.
        let single = (AFTER_FORK.is_empty() && !modules::have_after_fork()).then_some(single);
        let is_spare = role == Role::Spare;
        let role = if is_spare { Role::Preparing } else { role };
        let mut process = Process { inputs, role, single, ..Process::new(socket, owner) };
        if role != Role::Free {
            end_with_parent(starter.pid);
        }
        if let Some(nonce) = exec {
            let failure = handover::exec(&process, &nonce);
            process.fail(failure);
        }
        let called = AFTER_FORK.iter().try_for_each(|function| {
            catch_panic(function).map_err(|panic| format!("it panicked {panic}"))?;
            Ok(())
        });
        if let Err(why) = called.and_then(|()| modules::after_fork()) {
            process.fail(Failure::new(FailureKind::Preparation, "after_fork", "", why));
        }
        if is_spare {
            process.wait_in_advance();
        }
        process
    }

    fn collect(&mut self, ended: Option<u32>) {
        let Template { reaper, reports, process, .. } = self;
        reaper.collect(ended, |record| {
            // An owner that reads nothing has no use for orphans, of which there is no limit.
            if record.id == 0 && reports.bytes.len() > MOST_UNREAD {
                return;
            }
            Reply::Exited(record).append(&mut reports.bytes, 0);
            let _ = reports.flush(&process.socket, Blocking::No);
        });
    }

    fn reply(&mut self, reply: &Reply, descriptor: Option<OwnedFd>) {
        reply.append(&mut self.reports.bytes, descriptor.iter().count() as u16);
        self.reports.descriptors.extend(descriptor);
        self.send_reports();
    }

    /// Never blocks: what the owner does not take now is kept.
    fn send_reports(&mut self) {
        let sent = self.reports.flush(&self.process.socket, Blocking::No);
        self.is_jammed = sent.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock);
    }

    /// What the owner has said of its children before it ended: who of them may go on, and who is to get a signal.
    fn read_last_orders(&mut self) {
        while let Ok(Filled::Some) = self.process.inbox.fill(&self.process.socket, Blocking::No) {
            while let Ok(Some(message)) = self.process.inbox.next() {
                match Order::parse(message.frame.get()) {
                    Ok(Order::Mark { id, role }) => self.mark(id, role),
                    Ok(Order::Signal { id, signal }) => self.signal(id, signal),
                    _ => {}
                }
            }
        }
    }

    fn signal(&mut self, id: u64, signal: u32) {
        if let Some((pid, _)) = self.reaper.by_id(id) {
            let _ = signal::send_to_child(pid, signal);
        }
    }

    fn mark(&mut self, id: u64, role: Role) {
        if let Some((_, child)) = self.reaper.by_id(id) {
            child.role = role;
        }
    }

    /// The owner is gone, or wants this template no more.
    fn end(&self) -> ! {
        self.reaper.kill_dependents();
        exit::now(0)
    }
}

/// Arms the death signal of a child whose parent may have ended since the fork. The parent has one thread, for as long as it lives.
fn end_with_parent(parent: u32) {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if self::parent() != parent {
        exit::now(0);
    }
}

fn parent() -> u32 {
    rustix::process::getppid().map_or(0, |parent| parent.as_raw_pid() as u32)
}

fn invalid(Malformed(what): Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
