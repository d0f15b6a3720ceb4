//! What runs inside the processes that anyfork made: a process collects orders, then runs an entry or becomes a template, whose
//! forks collect orders again.

mod places;
mod prepare;
mod program;
mod reaper;
mod run;
mod template;

use crate::channel::{Descriptors, Inbox};
use crate::entry::Found;
use crate::inputs::Input;
use crate::sys::close;
use crate::sys::exit;
use crate::sys::pidfd;
use crate::sys::socket::{self, Blocking};
use crate::sys::threads::{SingleThread, Threads};
use crate::sys::title;
use crate::wire::{Bytes, Failure, FailureKind, Reply, Role};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The program on whose behalf a process exists; its end ends the templates.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    pub(crate) pidfd: Option<OwnedFd>,
    pub(crate) program: String,
    /// How it ends a title: ` of 1234 (program)`.
    whose: String,
}

impl Owner {
    pub(crate) fn new(pid: u32, pidfd: Option<OwnedFd>, program: String) -> Self {
        Owner { whose: format!(" of {pid} ({program})"), pid, pidfd, program }
    }

    /// The calling process as an owner.
    pub(crate) fn this(program: String) -> std::io::Result<Self> {
        Ok(Self::new(std::process::id(), pidfd::of_self()?, program))
    }

    /// For a process that is about to forget it: its descriptor, the rest stays in memory.
    fn leave(mut self) -> Option<OwnedFd> {
        let pidfd = self.pidfd.take();
        std::mem::forget(self);
        pidfd
    }
}

/// A process that collects orders.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) socket: OwnedFd,
    pub(crate) inbox: Inbox,
    pub(crate) inputs: VecDeque<Input>,
    pub(crate) owner: Owner,
    pub(crate) name: Option<String>,
    /// Where the caller's trace is.
    context: Option<String>,
    pub(crate) role: Role,
    /// Whether it is the first of its kind below its owner, and adopts orphans.
    pub(crate) adopts: bool,
    /// A fork of a template has one thread until its preparation makes more.
    single: Option<SingleThread>,
    /// Its own pidfd, if that was made before it is needed.
    pidfd: Option<OwnedFd>,
}

/// What the orders came to.
enum Next {
    Template,
    Run(Found),
    /// An external program, and the descriptors that came with it.
    Become(Vec<u8>, Descriptors),
}

impl Process {
    /// A process that has a socket and nothing else yet.
    pub(crate) fn new(socket: OwnedFd, owner: Owner) -> Self {
        Process {
            socket,
            inbox: Inbox::default(),
            inputs: VecDeque::new(),
            owner,
            name: None,
            context: None,
            role: Role::Preparing,
            adopts: false,
            single: None,
            pidfd: None,
        }
    }

    /// What can be done before there are orders, by a process that was forked in advance: it takes no time of those who start it then.
    fn wait_in_advance(&mut self) {
        // Writes to the page where the title is, which is its own from now on.
        if let Some(proof) = &self.single {
            self.set_title(proof, "spare");
        }
        self.pidfd = pidfd::of_self().ok().flatten();
    }

    /// Does what the orders say, to the end of the process.
    pub(crate) fn serve(mut self) -> ! {
        let _guard = EndOnUnwind;
        loop {
            match prepare::follow_orders(&mut self) {
                // Comes back in each fork of the template, as a new process.
                Next::Template => self = template::serve(self),
                Next::Run(entry) => run::enter(self, entry),
                Next::Become(octets, descriptors) => program::become_program(self, octets, descriptors),
            }
        }
    }

    /// Becomes a template without being told to.
    pub(crate) fn serve_as_template(self) -> ! {
        let _guard = EndOnUnwind;
        template::serve(self).serve()
    }

    /// Adopts the orphans among its descendants from now on.
    pub(crate) fn adopt_orphans(&mut self) {
        self.adopts = true;
        if let Err(errno) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
            self.fail(Failure::system("adopt orphans", &errno.into()));
        }
    }

    /// Closes whatever this process inherited by accident.
    pub(crate) fn close_all_else(&self) {
        let own = [Some(self.socket.as_fd()), self.owner.pidfd.as_ref().map(AsFd::as_fd)];
        let kept: Vec<BorrowedFd<'_>> = own.into_iter().flatten().chain(self.inbox.descriptors()).collect();
        if let Err(error) = close::all_but(&kept) {
            self.fail(Failure::system("close inherited descriptors", &error));
        }
    }

    /// Tells the other end why this process ends, and ends it.
    pub(crate) fn fail(&self, failure: Failure) -> ! {
        send_failure(&self.socket, failure, Blocking::Yes);
        exit::flush_output();
        exit::now(1)
    }

    /// What `ps` shows of this process.
    fn set_title(&self, proof: &SingleThread, what: &str) {
        title::set(proof, self.name.as_deref().unwrap_or(what), &self.owner.whose);
    }
}

/// Disarms the death signal that a process has while it is prepared.
fn go_on_without_parent(process: &Process) {
    if process.role == Role::Preparing {
        let _ = rustix::process::set_parent_process_death_signal(None);
    }
}

/// Sends the one reply of a process, with its pidfd, which may be there already. An error means that nobody waits for it any more.
fn announce(socket: impl AsFd, reply: &Reply, pidfd: Option<OwnedFd>) -> std::io::Result<()> {
    let pidfd = pidfd.or_else(|| pidfd::of_self().ok().flatten());
    let descriptors: SmallVec<[_; 1]> = pidfd.iter().map(AsFd::as_fd).collect();
    let mut bytes = Bytes::new();
    reply.append(&mut bytes, descriptors.len() as u16);
    // A stream socket may take a part; a reply this short is taken whole.
    match patiently(|| socket::send(&socket, &bytes, &descriptors, Blocking::Yes).map(drop)) {
        // Or else without one.
        Err(error) if socket::is_passing(&error) => {
            let mut bytes = Bytes::new();
            reply.append(&mut bytes, 0);
            socket::send(&socket, &bytes, &[], Blocking::Yes).map(drop)
        }
        sent => sent,
    }
}

/// How long a reply may wait for room.
const PATIENCE: Duration = Duration::from_millis(500);

/// Of this user's descriptors may be too many under way (unix(7)), or there is no memory: until that has passed.
fn patiently(mut send: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
    for _ in 1..PATIENCE.as_millis() {
        match send() {
            Err(error) if socket::is_passing(&error) => std::thread::sleep(Duration::from_millis(1)),
            sent => return sent,
        }
    }
    send()
}

fn send_failure(socket: impl AsFd, failure: Failure, blocking: Blocking) {
    let mut bytes = Bytes::new();
    Reply::Failed(failure).append(&mut bytes, 0);
    let mut rest = &bytes[..];
    let mut send = || {
        while !rest.is_empty() {
            rest = &rest[socket::send(&socket, rest, &[], blocking)?..];
        }
        Ok(())
    };
    // If nobody is there to hear it, there is nobody to tell.
    let _ = if blocking == Blocking::Yes { patiently(send) } else { send() };
}

fn has_threads(step: &str, threads: &Threads) -> Failure {
    let remedy = match threads.are_of_a_runtime() {
        true => "build the async runtime in the workers: #[anyfork::entry(tokio)] or #[anyfork::entry(smol)] does",
        false => "end threads in the preparation, or start them in the workers",
    };
    let message = format!("it has {threads}; a fork would copy one of them and the locks of all: {remedy}");
    Failure::new(FailureKind::Threads, step, "", message)
}

/// Whether a program can be compiled, by whoever starts it. Starts nothing.
#[cfg(any(fuzzing, test))]
pub(crate) fn compiles(octets: Vec<u8>, mut socket: OwnedFd, mut descriptors: Descriptors) -> bool {
    let signals = crate::sys::signal::dispositions();
    let starter = program::Starter { pid: std::process::id(), signals, can_be_debugged: false, is_forked: false };
    program::compile(octets, &mut socket, &mut descriptors, &starter).is_ok()
}

/// Ends the process when a panic of anyfork's own code reaches the bottom of it: nothing above belongs to this process.
struct EndOnUnwind;

impl Drop for EndOnUnwind {
    fn drop(&mut self) {
        exit::now(exit::PANICKED)
    }
}
