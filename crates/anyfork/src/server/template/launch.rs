//! A template starts external programs.

use super::Template;
use crate::channel::Descriptors;
use crate::server::program::{self, Compiled};
use crate::server::reaper::Child;
use crate::server::{prepare, send_failure};
use crate::sys::launch::Started;
use crate::sys::socket::Blocking;
use crate::wire::{Failure, Malformed, Role};
use rustix::process::DumpableBehavior;
use std::io;

impl Template {
    /// Starts an external program. As a failed fork, a failed start is one failed request.
    pub(super) fn spawn(&mut self, id: u64, role: Role, octets: Vec<u8>, mut descriptors: Descriptors) {
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
