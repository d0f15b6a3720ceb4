//! A template starts programs: external ones, and its own again.

use super::Template;
use crate::channel::Descriptors;
use crate::handover::{self, Nonce};
use crate::server::program::{self, Compiled};
use crate::server::reaper::Child;
use crate::server::{Owner, prepare, send_failure};
use crate::sys::launch::{Launch, Started};
use crate::sys::socket::Blocking;
use crate::wire::{Failure, Malformed, Role, Step};
use rustix::process::{DumpableBehavior, Signal};
use std::io;
use std::os::fd::OwnedFd;

impl Template {
    /// Starts an external program.
    pub(super) fn spawn(&mut self, id: u64, role: Role, octets: Vec<u8>, mut descriptors: Descriptors) {
        if descriptors.is_empty() {
            return self.descriptors_were_lost(id);
        }
        let mut socket = descriptors.remove(0);
        let compiled = program::compile(octets, &mut socket, &mut descriptors, &self.starter);
        let launch = compiled.and_then(|Compiled { launch, entry }| match entry {
            None => Ok(launch),
            Some(_) => Err(prepare::not_understood(Malformed("an entry for a program that is not forked"))),
        });
        self.start(id, role, launch, socket);
    }

    /// Starts a fresh image of this program, which has all variables of this process or those with these names. It follows orders, and says itself when it has started.
    pub(super) fn spawn_image(
        &mut self,
        id: u64,
        role: Role,
        nonce: &Nonce,
        names: Option<&[u8]>,
        socket: Option<OwnedFd>,
    ) {
        let Some(mut socket) = socket else { return self.descriptors_were_lost(id) };
        let Owner { pid, program, .. } = &self.process.owner;
        let title = format!("anyfork: process of {pid} ({program})");
        let mut steps = Vec::new();
        if role != Role::Free {
            steps.push(Step::DeathSignal(Signal::KILL.as_raw() as u32));
        }
        steps.push(Step::Signals { ignored: self.starter.signals.ignored, blocked: 0 });
        let octets = handover::program_for(nonce, &title, names, steps).map_err(prepare::not_understood);
        let compiled = octets.and_then(|octets| {
            program::compile(octets.into_vec(), &mut socket, &mut Descriptors::new(), &self.starter)
        });
        self.start(id, role, compiled.map(|Compiled { launch, .. }| launch.unannounced()), socket);
    }

    /// As a failed fork, a failed start is one failed request.
    fn start(&mut self, id: u64, role: Role, launch: Result<Box<Launch>, Failure>, socket: OwnedFd) {
        let started = launch.and_then(|launch| {
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

    /// Takes back the memory of programs that have become themselves.
    pub(super) fn recycle(&mut self) {
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
    pub(super) fn show(&self) {
        if self.starter.can_be_debugged {
            let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
        }
    }
}
