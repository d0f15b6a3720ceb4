//! A template forks: on request, and in advance.

use super::{Became, Template, parent};
use crate::channel::Outbox;
use crate::entry::AFTER_FORK;
use crate::modules;
use crate::mutant::{self, Mutant};
use crate::outcome::catch_panic;
use crate::server::reaper::Child;
use crate::server::{Process, has_threads, send_failure};
use crate::sys::exit;
use crate::sys::fork::{self, Fork};
use crate::sys::launch::Started;
use crate::sys::socket::{self, Blocking};
use crate::sys::threads::{self, SingleThread};
use crate::trace;
use crate::wire::{Failure, FailureKind, Reply, Role};
use rustix::process::Signal;
use std::os::fd::OwnedFd;

impl Template {
    /// A failed fork is one failed request: the reason goes to the socket that came with it.
    pub(super) fn fork(&mut self, id: u64, role: Role, socket: Option<OwnedFd>) -> Became {
        let Some(socket) = socket else {
            self.descriptors_were_lost(id);
            return Became::Same;
        };
        match self.make(id, role) {
            Ok(Fork::Child(single)) => return Became::Child { single, socket, role },
            Ok(Fork::Parent(_)) if mutant::strikes(Mutant::CloseInTemplate) => std::mem::forget(socket),
            Ok(Fork::Parent(_)) => {}
            Err(failure) => send_failure(socket, failure, Blocking::No),
        }
        Became::Same
    }

    /// Forks in advance. The owner gets its end of the socket with the report.
    pub(super) fn fork_spare(&mut self, id: u64) -> Became {
        // Who has something to do goes first: a few in a row take a millisecond.
        rustix::thread::sched_yield();
        let made = socket::pair().map_err(|error| Failure::system("make a socket pair", &error));
        let made = made.and_then(|(ours, theirs)| Ok((self.make(id, Role::Spare)?, ours, theirs)));
        match made {
            // The owner's end is closed here, or nobody here would see it close there.
            Ok((Fork::Child(single), _, socket)) => {
                return Became::Child { single, socket, role: Role::Spare };
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
        mutant::leak(Mutant::LeakInTemplate);
        if mutant::strikes(Mutant::Refuse) {
            return Err(Failure::system("fork in the template", &rustix::io::Errno::AGAIN.into()));
        }
        #[cfg(anyfork_mutants)]
        if mutant::strikes(Mutant::Zombie) {
            crate::sys::stillborn::make(&proof);
        }
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

    pub(super) fn descriptors_were_lost(&mut self, id: u64) {
        let errno = rustix::io::Errno::MFILE.raw_os_error();
        self.reply(&Reply::NotForked { id, errno }, None);
    }

    /// In the child: what belongs to the template is closed or forgotten, what was queued is inherited.
    pub(super) fn into_child(self, single: SingleThread, socket: OwnedFd, role: Role) -> Process {
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
}

/// Arms the death signal of a child whose parent may have ended since the fork. The parent has one thread, for as long as it lives.
fn end_with_parent(parent: u32) {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if self::parent() != parent {
        exit::now(0);
    }
}
