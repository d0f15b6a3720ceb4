//! Templates forked from the program itself, for programs that cannot be exec'd again.

use crate::allowed;
use crate::default_template;
use crate::error::{Error, ErrorKind, Result};
use crate::launched::Launched;
use crate::options::Options;
use crate::policy;
use crate::server::{Owner, Process};
use crate::starting::Starting;
use crate::sys::environ;
use crate::sys::exit;
use crate::sys::fork::{self, Fork};
use crate::sys::pidfd;
use crate::sys::signal;
use crate::sys::socket;
use crate::sys::stdio;
use crate::sys::threads::{self, SingleThread};
use crate::sys::title;
use crate::sys::wait::{self, Which};
use crate::template::Template;
use crate::watch;
use crate::wire::{Failure, Role};
use rustix::event::PollFlags;
use rustix::process::Signal;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Forks the default template from the program, at the very start of `main`, instead of starting it by exec when it is first needed.
/// (AnyEvent::Fork::Early.) Blocks until it is ready.
///
/// For programs that cannot be exec'd again: in a chroot without `/proc`, in a sandbox, from a file system that goes away. What the
/// program has in memory by then is in every process that it starts, so call it first. The template is a
/// child of the program, and ends with it.
///
/// # Errors
/// [`Threads`](ErrorKind::Threads) if the program already has more than one thread: the message names them.
/// [`Unsupported`](ErrorKind::Unsupported) if there is a default template already, or under
/// [`Policy::NeverFork`](crate::Policy::NeverFork). [`System`](ErrorKind::System) if there are no descriptors or processes for it, [`Deadline`](ErrorKind::Deadline) if it is not ready in 30 s.
///
/// ```no_run
/// fn main() -> anyfork::Result<()> {
///     anyfork::early()?;
///     // ... chroot, drop privileges, start threads ...
///     Ok(())
/// }
/// ```
pub fn early() -> Result<()> {
    if default_template::if_up().is_some_and(|line| line.is_up()) {
        return Err(Error::new(ErrorKind::Unsupported, "early", "there is a default template already"));
    }
    fork_template("early", true)?.into_default()
}

/// Forks a template from the program as it is now: with all its memory, without its descriptors (except 0, 1 and 2). Blocks
/// until it is ready.
///
/// The template is a child of the program: a program that waits for *any* child sees it end. Objects in its memory that
/// own descriptors are of no use there, as these are closed. Signal dispositions are the default ones. If it is dropped before its
/// workers, their exit statuses are known only as far as the kernel tells them to everybody (Linux 6.15): it is beside
/// the default template, not below it. The drop blocks until it has ended, 200 ms at the longest (workers that are bound to the program keep it).
///
/// # Errors
/// [`Threads`](ErrorKind::Threads) if the program has more than one thread: the message names them.
/// [`Unsupported`](ErrorKind::Unsupported) under [`Policy::NeverFork`](crate::Policy::NeverFork). [`System`](ErrorKind::System) if fork(2) fails or there are no descriptors,
/// [`Deadline`](ErrorKind::Deadline) if it is not ready in 30 s.
///
/// ```no_run
/// # fn main() -> anyfork::Result<()> {
/// # #[anyfork::entry] fn serve() {}
/// let template = anyfork::template_here()?;
/// let worker = template.fork().run(serve)?;
/// # Ok(())
/// # }
/// ```
pub fn template_here() -> Result<Template> {
    fork_template("template_here", false)
}

/// How long a process that was killed may take to be gone.
const LAST_WAIT: Duration = Duration::from_secs(1);

fn fork_template(step: &'static str, adopts: bool) -> Result<Template> {
    policy::allow_fork(step)?;
    let proof = single(step)?;
    let (ours, theirs) = socket::pair().map_err(|error| Error::system(step, error))?;
    socket::name_senders(&ours, true).map_err(|error| Error::system(step, error))?;
    let owner = Owner::this(default_template::program()).map_err(|error| Error::system(step, error))?;
    // What is half-written now would come out again in the template.
    exit::flush_output();
    match fork::fork(proof).map_err(|error| Error::system(step, error))? {
        Fork::Child(single) => become_template(&single, theirs, owner, adopts),
        Fork::Parent(pid) => {
            let pidfd = pidfd::of(pid).ok().flatten();
            drop((theirs, owner));
            let mut launched = Launched::elsewhere(ours);
            launched.is_child = true;
            let template = Starting::new(Ok(launched), None, Options::new(Role::Template), step.to_owned()).wait();
            if let (Err(_), Some(pidfd)) = (&template, &pidfd) {
                // It ends now, and is waited for, so that no zombie stays.
                let _ = pidfd::signal(pidfd, Signal::KILL);
                let _ = watch::sleep(&[(pidfd.as_fd(), PollFlags::IN)], Some(Instant::now() + LAST_WAIT));
                wait::reap(Which::Pidfd(pidfd.as_fd()));
            }
            template
        }
    }
}

fn single(step: &'static str) -> Result<SingleThread> {
    threads::single_soon().map_err(|threads| {
        let remedy = match threads.are_of_a_runtime() {
            true => "call it before the async runtime is built, in a `main` that is not async",
            false => "call it before they start",
        };
        Error::new(ErrorKind::Threads, step, format!("the program already has {threads}; {remedy}"))
    })
}

/// In the child: leaves behind what belongs to the program, and serves.
fn become_template(single: &SingleThread, socket: OwnedFd, owner: Owner, adopts: bool) -> ! {
    signal::reset_dispositions();
    signal::ignore_sigpipe();
    let mut process = Process::new(socket, owner);
    process.close_all_else();
    stdio::fill_stdio();
    title::claim_environment(single);
    if adopts {
        process.adopt_orphans();
        if let Some(allowed) = allowed::of_default_template()
            && let Err(error) = environ::keep_only(single, |variable| allowed.has(variable))
        {
            process.fail(Failure::system("wipe the environment", &error));
        }
    }
    process.serve_as_template()
}
