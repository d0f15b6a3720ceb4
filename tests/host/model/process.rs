//! A process that was started: the handle, and the model of its end.

use super::Wrong;
use super::ending::{End, Ending};
use super::operation::{Kind, Manner};
use super::witness;
use anyfork::{Child, Command, Error, ExitStatus, Process as Preparing, Starting, Stdio, Template, Worker};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

/// Notes that it was entered, sends back what is above, ends with what is below, or with 0 at the end of the socket.
const ECHOED: u8 = 100;

/// The code of a worker or program to which nobody says anything any more.
const AT_END: i32 = 0;

#[anyfork::entry]
fn serve(mut socket: UnixStream, witness: String, number: u32) -> io::Result<ExitCode> {
    witness::note(&witness, number)?;
    let mut octet = [0];
    loop {
        match socket.read(&mut octet)? {
            0 => return Ok(ExitCode::from(AT_END as u8)),
            _ if octet[0] < ECHOED => return Ok(octet[0].into()),
            _ => socket.write_all(&octet)?,
        }
    }
}

/// The same, as far as a shell can.
const SCRIPT: &str = "read code || exit 0; exit \"$code\"";

#[derive(Debug)]
enum Handle {
    Worker(Worker),
    Child(Child),
}

/// A start under way.
#[derive(Debug)]
pub(super) enum Pending {
    Worker(Starting<Worker>),
    Child(Starting<Child>),
}

impl Pending {
    /// Of the default template, if no other is named. A worker notes its `number`.
    pub(super) fn start(of: Option<&Template>, manner: Manner, deadline: Duration, number: u32) -> Self {
        match manner.kind {
            Kind::Worker => {
                let process = of.map_or_else(Preparing::new, Template::fork);
                let process = process.kill_on_drop(manner.kill_on_drop).die_with_owner(manner.die_with_owner);
                let process = process.arg(witness::path()).arg(number);
                Pending::Worker(process.blocking_socket(true).deadline(deadline).start(serve))
            }
            Kind::Program => {
                let mut command = of.map_or_else(|| Command::new("/bin/sh"), |template| template.command("/bin/sh"));
                command.args(["-c", SCRIPT]).stdin(Stdio::piped()).deadline(deadline);
                Pending::Child(command.kill_on_drop(manner.kill_on_drop).die_with_owner(manner.die_with_owner).start())
            }
        }
    }

    pub(super) fn wait(self, manner: Manner) -> Result<Started, Error> {
        Ok(Started::new(
            match self {
                Pending::Worker(starting) => Handle::Worker(starting.wait()?),
                Pending::Child(starting) => Handle::Child(starting.wait()?),
            },
            manner,
        ))
    }

    pub(super) fn try_finish(&mut self, manner: Manner) -> Result<Option<Started>, Error> {
        let handle = match self {
            Pending::Worker(starting) => starting.try_finish()?.map(Handle::Worker),
            Pending::Child(starting) => starting.try_finish()?.map(Handle::Child),
        };
        Ok(handle.map(|handle| Started::new(handle, manner)))
    }
}

#[derive(Debug)]
pub(super) struct Started {
    handle: Handle,
    pub(super) manner: Manner,
    pub(super) ending: Ending,
}

impl Started {
    fn new(handle: Handle, manner: Manner) -> Self {
        Started { handle, manner, ending: Ending::default() }
    }

    pub(super) fn pid(&self) -> u32 {
        match &self.handle {
            Handle::Worker(worker) => worker.pid(),
            Handle::Child(child) => child.id(),
        }
    }

    /// It may have ended, and then nobody reads that.
    pub(super) fn release(&mut self, code: u8) {
        let _ = match &mut self.handle {
            Handle::Worker(worker) => worker.socket().write_all(&[code]),
            Handle::Child(child) => child.stdin.as_mut().map_or(Ok(()), |stdin| writeln!(stdin, "{code}")),
        };
        self.ending.cause(End::Code(code.into()));
    }

    /// If it is a worker that runs.
    pub(super) fn talk(&self, limit: Duration) -> Result<(), Wrong> {
        let Handle::Worker(worker) = &self.handle else { return Ok(()) };
        if !self.ending.runs() || self.ending.is_stopped() {
            return Ok(());
        }
        let mut octet = [0];
        let mut socket = worker.socket();
        let talk = socket.set_read_timeout(Some(limit)).and_then(|()| socket.write_all(&[ECHOED]));
        let talk = talk.and_then(|()| socket.read_exact(&mut octet));
        talk.map_err(|error| format!("a worker that runs does not answer: {error}"))?;
        if octet == [ECHOED] { Ok(()) } else { Err(format!("{octet:?} came back")) }
    }

    pub(super) fn signal(&mut self, signal: i32) -> Result<(), Wrong> {
        let sent = match &self.handle {
            Handle::Worker(worker) if signal == libc::SIGKILL => worker.kill(),
            Handle::Worker(worker) => worker.signal(signal),
            Handle::Child(child) => child.signal(signal),
        };
        sent.map_err(|error| format!("signal {signal} is not sent: {error}"))?;
        match signal {
            libc::SIGCONT => self.ending.go_on(),
            _ => self.ending.cause(End::Signal(signal)),
        }
        Ok(())
    }

    pub(super) fn ask(&mut self) -> Result<(), Wrong> {
        let answer = match &self.handle {
            Handle::Worker(worker) => worker.try_wait(),
            Handle::Child(child) => child.try_wait(),
        };
        self.ending.check(answer, false)
    }

    /// `told`: whether its end must be known within the limit, if it has ended.
    pub(super) fn wait(&mut self, limit: Duration, told: bool) -> Result<(), Wrong> {
        let answer: Result<Option<ExitStatus>, Error> = match &self.handle {
            Handle::Worker(worker) => worker.wait_timeout(limit),
            Handle::Child(child) => child.wait_timeout(limit),
        };
        self.ending.check(answer, told)
    }
}
