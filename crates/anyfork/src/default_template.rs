//! The default template: started on first use, by an exec of the program's own image, and started again if it died.

use crate::allowed::{self, Allowed};
use crate::caller::{Caller, Standing};
use crate::channel::{Dialect, Outbox};
use crate::error::{Error, ErrorKind, Result};
use crate::handover;
use crate::line::{Identity, Line};
use crate::maker::Maker;
use crate::mutant::{Mutant, strikes};
use crate::sys::environ;
use crate::sys::image;
use crate::sys::pidfd;
use crate::sys::socket::{self, Blocking};
use crate::sys::startup;
use crate::wire::{self, Hello, Order};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What there is, and in which process: a fork of the program has nothing yet.
struct State {
    maker: Option<Maker>,
    now: Now,
}

enum Now {
    Nothing,
    /// A thread is starting it; the lock is not held meanwhile.
    Starting,
    /// With the standing of the program when it was started. `None`: the program made it by `early`, to go on with what it was then.
    Up(Arc<Line>, Option<Standing>),
}

impl State {
    fn is_free(&self) -> bool {
        match &self.now {
            Now::Up(line, _) => !line.is_up(),
            Now::Starting => false,
            Now::Nothing => true,
        }
    }
}

static STATE: Mutex<State> = Mutex::new(State { maker: None, now: Now::Nothing });
static STARTED: Condvar = Condvar::new();

/// The default template, started if it is not there or has died.
pub(crate) fn get() -> Result<Arc<Line>> {
    get_if(|_| true)
}

/// The same, but also started if the program had other users, groups or privileges when the present one was.
pub(crate) fn get_for(standing: &Standing) -> Result<Arc<Line>> {
    get_if(|known| known.is_none_or(|known| known == standing))
}

fn get_if(fits: impl Fn(Option<&Standing>) -> bool) -> Result<Arc<Line>> {
    let mut state = lock();
    loop {
        match &state.now {
            Now::Up(line, standing) if fits(standing.as_ref()) && (line.is_up() || strikes(Mutant::Recover)) => {
                return Ok(Arc::clone(line));
            }
            Now::Starting => state = STARTED.wait(state).unwrap_or_else(PoisonError::into_inner),
            Now::Nothing | Now::Up(..) => break,
        }
    }
    let before = std::mem::replace(&mut state.now, Now::Starting);
    drop(state);
    let started = start();
    let (now, before) = match &started {
        Ok((line, standing)) => (Now::Up(Arc::clone(line), Some(standing.clone())), before),
        // It may be the right one again.
        Err(_) => (before, Now::Nothing),
    };
    lock().now = now;
    STARTED.notify_all();
    // Ends it, if nobody has workers of it, which takes a moment: not under the lock.
    drop(before);
    started.map(|(line, _)| line)
}

/// The default template if it is there, without starting it.
pub(crate) fn if_up() -> Option<Arc<Line>> {
    match &lock().now {
        Now::Up(line, _) => Some(Arc::clone(line)),
        _ => None,
    }
}

/// Makes `line` the default template. `false`: there is one.
pub(crate) fn set(line: Arc<Line>) -> bool {
    let mut state = lock();
    let free = state.is_free();
    if free {
        state.now = Now::Up(line, None);
    }
    free
}

/// Does something while there is no default template, and none is being started. `false`: there is one.
pub(crate) fn before_it(act: impl FnOnce()) -> bool {
    let state = lock();
    let free = state.is_free();
    if free {
        act();
    }
    free
}

fn lock() -> MutexGuard<'static, State> {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let this = Some(Maker::this());
    if state.maker != this {
        // A fork of the process that made it. The handles in it are inert; this process starts its own.
        std::mem::forget(std::mem::replace(&mut *state, State { maker: this, now: Now::Nothing }));
    }
    state
}

fn start() -> Result<(Arc<Line>, Standing)> {
    check_program()?;
    let standing = Caller::look().unwrap_or_default().standing;
    let step = "start the default template";
    let (ours, theirs) = socket::pair().map_err(|error| Error::system(step, error))?;
    // Room for the socket of the process that it is wanted for. A template that is started under a limit as low as that keeps the limit.
    let room = socket::pair().map_err(|error| Error::system(step, error))?;
    let nonce = handover::nonce()?;
    let mut orders = Outbox::default();
    greet(&mut orders, &nonce, true)?;
    orders.push(&Order::Template, []);
    orders.flush(&ours, Blocking::No).map_err(|error| Error::system(step, error))?;
    let title = format!("anyfork: default template of {} ({})", std::process::id(), program());
    let allowed = allowed::of_default_template();
    let image = handover::image_for(theirs.as_fd(), &nonce, &title, allowed.as_ref().map(Allowed::octets));
    let pid = image.spawn(theirs.as_fd()).map_err(|error| {
        let no_proc = error.kind() == std::io::ErrorKind::NotFound;
        let hint = if no_proc { " (without /proc, call anyfork::early() at the start of main)" } else { "" };
        Error::system(format!("exec /proc/self/exe{hint}"), error)
    })?;
    drop(room);
    // Known from the start, so that it is waited for even if it never gets ready. If there is no room for its pidfd, one comes with its answer.
    let identity = pidfd::of(pid).ok().map(|pidfd| Identity { pid, pidfd: pidfd.map(Arc::new) });
    Ok((Arc::new(Line::new(ours, Dialect::Frames, identity, true)), standing))
}

/// The first order to a fresh image of this program.
pub(crate) fn greet(orders: &mut Outbox, nonce: &handover::Nonce, adopts: bool) -> Result<()> {
    let program = program();
    let hello = Hello {
        version: wire::VERSION,
        nonce: *nonce,
        image: image::fingerprint(),
        owner: std::process::id(),
        adopts,
        program: program.as_bytes(),
    };
    let pidfd = pidfd::of_self().map_err(|error| Error::system("open the pidfd of this program", error))?;
    orders.push(&Order::Hello(hello), pidfd);
    Ok(())
}

/// Whether an exec of this program would come back here instead of running its `main` again.
pub(crate) fn check_program() -> Result<()> {
    if !startup::is_in_main_program() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "start a process",
            "anyfork is in a shared library here, and starting the program again would not bring it back; \
             use anyfork::template_here(), or link it into the program",
        ));
    }
    if environ::execs_securely() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "start a process",
            "this program runs with privileges that its caller does not have (set-user-ID, file capabilities), or its effective user or group \
             is not the real one; started again, it could not trust what it is told. Call anyfork::early() at the start of main, \
             or give the privileges up first",
        ));
    }
    // In a process that anyfork started and that has not been taken over, the variable is still there: never start another.
    if !startup::ran() || handover::is_pending() {
        return Err(Error::new(
            ErrorKind::NotInitialized,
            "start a process",
            "this program was built without anyfork's `auto` feature and has not called anyfork::init(); \
             call it as the first line of main, or main would run again in each new process",
        ));
    }
    Ok(())
}

/// The program's name, for the process list.
pub(crate) fn program() -> String {
    const LONGEST: usize = 64;
    let first = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&first).file_name().unwrap_or_default().to_string_lossy();
    let mut bytes = 0;
    let fits = |c: &char| {
        bytes += c.len_utf8();
        bytes <= LONGEST
    };
    name.chars().filter(|c| !c.is_control()).take_while(fits).collect()
}
