//! Processes and templates that go from one program to another, as descriptors.

use crate::channel::Outbox;
use crate::error::{Error, ErrorKind, Result};
use crate::launched::Launched;
use crate::options::Options;
use crate::process::{DEFAULT_DEADLINE, Process};
use crate::served::Native;
use crate::starting::{Starting, after};
use crate::sys::pidfd;
use crate::sys::socket;
use crate::template::Template;
use crate::wire::{Order, Role};
use std::os::fd::OwnedFd;

impl Process<Native> {
    /// The process as a descriptor that can be sent to another process, which takes it up with
    /// [`from_fd`](Process::from_fd). (AnyEvent::Fork's `to_fh`.) Blocks until what was queued has been sent, until the deadline at the longest.
    ///
    /// The process stays a child of its template; its exit status can be had there only as far as the kernel tells it to
    /// everybody (Linux 6.15).
    ///
    /// ```
    /// # use {std::io::Write, std::os::fd::OwnedFd};
    /// #[anyfork::entry]
    /// fn greet(mut output: std::fs::File, name: String) -> std::io::Result<()> {
    ///     write!(output, "hello {name}")
    /// }
    ///
    /// #[anyfork::entry]
    /// fn other_program(process: OwnedFd) -> anyfork::Result<()> {
    ///     anyfork::Process::from_fd(process)?.arg("Ada").run(greet).map(drop)
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (reader, writer) = std::io::pipe()?;
    /// let process = anyfork::Process::new().fd(writer).into_fd()?;
    /// anyfork::Process::new().fd(process).run(other_program)?;
    /// assert_eq!(std::io::read_to_string(reader)?, "hello Ada");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What went wrong so far, or [`Deadline`](ErrorKind::Deadline).
    pub fn into_fd(mut self) -> Result<OwnedFd> {
        let mut launched = self.take_launched(true)?;
        let step = "hand a process over";
        let deadline = self.options.deadline_from_now(launched.waited);
        let pushed = match launched.push_all(deadline) {
            Ok(false) => Err(Error::new(ErrorKind::Deadline, step, "the deadline passed; the process was given up")),
            pushed => pushed,
        };
        if let Err(error) = pushed {
            launched.give_up();
            return Err(error);
        }
        if let Some((line, id)) = &launched.line {
            // It is not this process's any more; until it runs, its death signal still binds it to the template.
            line.mark(*id, Role::Free);
            line.forget(*id);
        }
        launched.into_socket().ok_or_else(|| Error::new(ErrorKind::ProcessGone, step, ""))
    }

    /// Takes up a process that another one gave away with [`into_fd`](Process::into_fd). (AnyEvent::Fork's `new_from_fh`.) Does not block. The descriptor becomes the process's socket; after an error it is closed.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the descriptor is no connected Unix stream socket.
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        check_socket(&fd, "take up a process")?;
        Ok(Process::elsewhere(Launched::elsewhere(fd)))
    }
}

impl Template<Native> {
    /// The template as a descriptor that can be sent to another process, which takes it up with
    /// [`from_fd`](Template::from_fd). (AnyEvent::Fork's `to_fh`.)
    ///
    /// Blocks only if the template's socket is full: until the template has taken what it has been told before, 30 s at the longest. Starts that are still to be sent fail ([`TemplateGone`](ErrorKind::TemplateGone)).
    /// The exit statuses of workers that were forked before are known from then on only as far as the kernel tells them to
    /// everybody (Linux 6.15). Templates that were forked from it before are still this program's. If nobody takes the descriptor up and it is closed, the template ends.
    /// Its [recipe](Process::restarts), if it has one, does not go along.
    ///
    /// ```
    /// # #[anyfork::entry] fn work() {}
    /// #[anyfork::entry]
    /// fn other_program(template: std::os::fd::OwnedFd) -> anyfork::Result<()> {
    ///     let template = anyfork::Template::from_fd(template)?;
    ///     assert!(template.fork().run(work)?.wait()?.success());
    ///     Ok(())
    /// }
    ///
    /// # fn main() -> anyfork::Result<()> {
    /// let template = anyfork::Process::new().template()?.into_fd()?;
    /// assert!(anyfork::Process::new().fd(template).run(other_program)?.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`System`](ErrorKind::System) if the descriptor cannot be duplicated, [`Deadline`](ErrorKind::Deadline) if the template is stopped, say, and does not take what it has been told: with each it ends, as by a drop.
    /// [`ForeignHandle`](ErrorKind::ForeignHandle) in a fork of the program.
    pub fn into_fd(self) -> Result<OwnedFd> {
        let step = "hand a template over";
        let line = self.source().line().ok_or_else(|| Error::new(ErrorKind::TemplateGone, step, ""))?;
        if line.is_foreign() {
            return Err(Error::foreign(step));
        }
        let given = line.give_away(after(DEFAULT_DEADLINE)).map_err(|error| Error::system(step, error))?;
        given.ok_or_else(|| Error::new(ErrorKind::Deadline, step, "it does not take what it was told before, and ends"))
    }

    /// Takes up a template that another process gave away with [`into_fd`](Template::into_fd): it ends with this process
    /// from now on. (AnyEvent::Fork's `new_from_fh`.) Blocks until it answers, 30 s at the longest.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the descriptor is no connected Unix stream socket,
    /// [`ProcessGone`](ErrorKind::ProcessGone) if its other end is closed, [`Deadline`](ErrorKind::Deadline) or [`Protocol`](ErrorKind::Protocol) if there is no template,
    /// [`System`](ErrorKind::System) if there is no room for a pidfd of this program.
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        check_socket(&fd, "take up a template")?;
        let mut orders = Outbox::default();
        let own = pidfd::of_self().map_err(|error| Error::system("take up a template", error))?;
        orders.push(&Order::Own { owner: std::process::id() }, own);
        let mut launched = Launched::elsewhere(fd);
        launched.give(orders, false)?;
        let options = Options::new(Role::Template);
        Starting::new(Ok(launched), None, options, "take up a template".into()).wait()
    }
}

/// A descriptor that comes from elsewhere must at least be of the right kind.
fn check_socket(fd: &OwnedFd, step: &'static str) -> Result<()> {
    if socket::is_unix_stream(fd) {
        Ok(())
    } else {
        let got = crate::descriptor::kind(fd);
        Err(Error::new(ErrorKind::InvalidInput, step, format!("expected a Unix stream socket, got {got}")))
    }
}
