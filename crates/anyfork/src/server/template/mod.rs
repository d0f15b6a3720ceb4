//! A template: forks on request, reports how its children ended, and ends with its owner.

mod fork;
mod launch;
mod spares;

use crate::channel::{Filled, Message, Outbox};
use crate::server::program::Starter;
use crate::server::reaper::Reaper;
use crate::server::{Owner, Process, announce, has_threads};
use crate::sys::exit;
use crate::sys::launch::{Stacks, Started};
use crate::sys::signal::{self, Deaf};
use crate::sys::socket::{Blocking, is_passing};
use crate::sys::threads::{self, SingleThread};
use crate::wire::{Failure, Malformed, Order, Reply, Role};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{DumpableBehavior, Signal};
use smallvec::SmallVec;
use spares::Spares;
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
    },
}

/// Serves fork orders. Returns in each fork, as the new process; the template itself ends in here.
pub(super) fn serve(mut process: Process) -> Process {
    let pid = std::process::id();
    let proof = match threads::single_soon() {
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
            Ok(Became::Child { single, socket, role }) => return template.into_child(single, socket, role),
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
            Order::Fork { id, role } => return Ok(self.fork(id, role, descriptor)),
            Order::Exec { id, role, nonce, names } => self.spawn_image(id, role, &nonce, names, descriptor),
            Order::Signal { id, signal } => self.signal(id, signal),
            Order::Mark { id, role } => self.mark(id, role),
            Order::Own { owner } => {
                let program = std::mem::take(&mut self.process.owner.program);
                self.process.owner = Owner::new(owner, descriptor, program);
                self.watches_parent = self.process.owner.pidfd.is_none() && parent() == owner;
                self.spares.clear();
                self.reaper.forget_ids();
                // It reads until it finds the answer, so this does not block for long.
                while let Err(error) = self.reports.flush(&self.process.socket, Blocking::Yes) {
                    if !is_passing(&error) {
                        return Err(error);
                    }
                    std::thread::sleep(JAMMED);
                }
                announce(&self.process.socket, &Reply::Ready { pid: self.starter.pid }, None)?;
            }
            Order::Spares { first, count: 0, .. } => {
                self.spares.take_back(first);
                self.reaper.kill_spares(first);
            }
            Order::Spares { first, count, delay_us } if !self.ending => self.spares.order(first, count, delay_us),
            Order::Spares { .. } => {}
            Order::End => {
                self.ending = true;
                self.spares.clear();
                self.reaper.kill_spares(0);
            }
            _ => return Err(invalid(Malformed("an order for a process that is no template yet"))),
        }
        Ok(Became::Same)
    }

    fn collect(&mut self, ended: Option<u32>) {
        let Template { reaper, reports, process, .. } = self;
        reaper.collect(ended, |record| {
            // An owner that reads nothing has no use for orphans, of which there is no limit.
            if record.id == 0 && reports.len() > MOST_UNREAD {
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

fn parent() -> u32 {
    rustix::process::getppid().map_or(0, |parent| parent.as_raw_pid() as u32)
}

fn invalid(Malformed(what): Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
