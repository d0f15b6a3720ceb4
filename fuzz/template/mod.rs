//! A real template, driven over its socket by what an input says: bytes, descriptors, ends. Whatever that is, the template and all that come from it
//! end by themselves and leave nothing behind. It needs root, to put them where they can do no harm.
//!
//! The fuzzer's target and the test that replays its corpus (`tests/corpus.rs`) are both made of this.

#[allow(dead_code)]
#[path = "../../conformance/wire/frames.rs"]
mod frames;
mod oracle;
mod peer;
mod script;

use anyfork::{Process, Template};
use oracle::Family;
use peer::Peer;
use rustix::fs::{Gid, Uid};
use rustix::process::{Resource, Rlimit};
use script::Script;
use std::fs;
use std::path::{Path, PathBuf};

/// How many processes there may be at once: what is ordered beyond that cannot be forked.
const PROCESSES: u64 = 48;

/// Where templates are forked from, one for each input.
pub(crate) struct Arena {
    /// Forked from this process. The one below it serves.
    _here: Template,
    root: Peer,
    next: u64,
    family: Family,
}

/// Puts a process where there is no file, and no process but its own to be harmed.
#[anyfork::entry]
fn confine(directory: PathBuf, user: u32) -> std::io::Result<()> {
    rustix::process::chroot(&directory)?;
    std::env::set_current_dir("/")?;
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    let limit = Rlimit { current: Some(PROCESSES), maximum: Some(PROCESSES) };
    Ok(rustix::process::setrlimit(Resource::Nproc, limit)?)
}

impl Arena {
    /// In a process of one thread, which gets all orphans from now on.
    pub(crate) fn new() -> anyfork::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(std::io::Error::from).unwrap();
        let number = std::process::id();
        let directory = std::env::temp_dir().join(format!("anyfork-arena-{number}"));
        fs::create_dir_all(&directory).unwrap();
        let here = anyfork::template_here()?;
        let root = prepared(&here, &directory, 1_000_000 + number)?;
        // It stays the root of those that are in it.
        fs::remove_dir(&directory).unwrap();
        let pid = root.pid();
        let mut root = Peer::new(root.into_fd()?.into());
        // With the first behind it, it is as it will be between any two.
        Peer::template_of(&root, 0).end();
        root.wait(|kind, _| kind == frames::EXITED).expect("the first template ends");
        Ok(Arena { _here: here, root, next: 1, family: Family::of(pid) })
    }

    /// Does what the input says to a new template, and looks at what becomes of it. Panics if anything stays or has crashed.
    pub(crate) fn run(&mut self, octets: &[u8]) {
        let id = self.next;
        self.next += 1;
        self.family.begins();
        let mut script = Script::new(octets, Peer::template_of(&self.root, id));
        script.play();
        let is_disturbed = script.is_disturbed();
        // Before they are closed, as the processes may have copies of any of these sockets.
        let told = script.end();
        self.family.has_ended(&mut self.root, id, is_disturbed, &told);
    }
}

fn prepared(here: &Template, directory: &Path, user: u32) -> anyfork::Result<Template> {
    let process: Process = here.fork().call(confine, [directory.as_os_str(), std::ffi::OsStr::new(&user.to_string())]);
    process.template()
}
