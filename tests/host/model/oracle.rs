//! What must be as before when all handles are gone.

use super::Wrong;
use crate::entries;
use anyfork::{Command, Process};
use anyfork_tests::{children, lives, open_files, pids, stat, wait_until};
use std::time::Duration;

/// Enough for processes to end on a busy machine.
const LIMIT: Duration = Duration::from_secs(5);

/// The program's descriptors, with its default template there.
#[derive(Debug)]
pub(super) struct Before(Vec<String>);

impl Before {
    pub(super) fn look() -> anyfork::Result<Self> {
        use_it()?;
        Ok(Before(kinds()))
    }

    pub(super) fn compare(&self) -> Result<(), Wrong> {
        // If it was killed, there is another one now.
        use_it().map_err(|error| format!("nothing can be started any more: {error}"))?;
        let own = std::process::id();
        if !wait_until(LIMIT, || family() == children(own)) {
            return Err(format!("processes are left: {:?}", family().into_iter().map(shown).collect::<Vec<_>>()));
        }
        if !wait_until(LIMIT, || zombies().is_empty()) {
            return Err(format!("zombies are left: {:?}", zombies().into_iter().map(shown).collect::<Vec<_>>()));
        }
        match kinds() {
            now if now == self.0 => Ok(()),
            now => Err(format!("descriptors {:?} became {now:?}", self.0)),
        }
    }
}

/// After a failure: what is left must not be taken for something that the next sequence leaves.
pub(super) fn clear() {
    let left = || family().into_iter().filter(|pid| !children(std::process::id()).contains(pid));
    wait_until(LIMIT, || {
        left().for_each(|pid| anyfork_tests::signal(pid, rustix::process::Signal::KILL));
        left().next().is_none()
    });
}

fn use_it() -> anyfork::Result<()> {
    Command::new("/bin/true").status()?;
    Process::new().run(entries::nothing)?.wait().map(drop)
}

/// The kinds of the descriptors, sorted: another default template has other sockets, under other numbers.
fn kinds() -> Vec<String> {
    let kind = |file: String| file.rsplit_once(':').map(|(kind, _inode)| kind.to_owned()).unwrap_or_default();
    open_files(std::process::id()).into_iter().map(kind).collect()
}

/// All living processes of this session but this one.
pub(super) fn family() -> Vec<u32> {
    let own = std::process::id();
    let is_one = |pid: &u32| *pid != own && lives(*pid) && stat(*pid).is_some_and(|it| it.session == own);
    pids().into_iter().filter(is_one).collect()
}

fn zombies() -> Vec<u32> {
    let own = std::process::id();
    let is_one = |pid: &u32| stat(*pid).is_some_and(|it| it.state == 'Z' && it.session == own && lives(it.parent));
    pids().into_iter().filter(is_one).collect()
}

fn shown(pid: u32) -> String {
    format!("{pid} {} {:?}", anyfork_tests::title(pid), stat(pid))
}
