//! What an external program has of whoever starts it, at the moment of the call: umask, signals, and on whose behalf it acts.
//! From proc_pid_status(5), in one look, since umask(2) cannot ask without changing.

use crate::maker::Maker;
use crate::sys::stdio::open;
use rustix::fs::OFlags;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

/// The calling thread, as the kernel shows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) umask: Option<u32>,
    /// Bits, signal 1 lowest.
    pub(crate) ignored_signals: u64,
    /// Users, groups, capabilities, seccomp: a template that was started with others must not act for this caller.
    pub(crate) standing: Standing,
}

/// Compared only with others of its kind; empty if nothing is known.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Standing(Vec<u8>);

impl Caller {
    /// `None` without `/proc`.
    pub(crate) fn look() -> Option<Self> {
        let is_first = rustix::thread::gettid() == rustix::process::getpid();
        let status = match own_status().filter(|_| is_first) {
            Some(file) => read(file),
            // Users, groups and capabilities belong to threads.
            None => open(c"/proc/thread-self/status", OFlags::RDONLY).and_then(|file| read(&file)),
        };
        Some(Self::parse(&status.ok()?))
    }

    fn parse(status: &[u8]) -> Self {
        let mut caller = Caller { standing: Standing(Vec::with_capacity(512)), ..Caller::default() };
        for line in status.split(|octet| *octet == b'\n') {
            // A glance at the first letter spares most lines the comparison.
            match line.first() {
                Some(b'U') if line.starts_with(b"Umask:") => {
                    caller.umask = u32::from_str_radix(value(line), 8).ok();
                }
                Some(b'S') if line.starts_with(b"SigIgn:") => {
                    caller.ignored_signals = u64::from_str_radix(value(line), 16).unwrap_or(0);
                }
                Some(b'U' | b'G' | b'C' | b'N' | b'S') if STANDING.iter().any(|name| line.starts_with(name)) => {
                    caller.standing.0.extend_from_slice(line);
                }
                _ => {}
            }
        }
        caller
    }
}

/// What stands behind the name.
fn value(line: &[u8]) -> &str {
    let (_, value) = str::from_utf8(line).ok().and_then(|line| line.split_once(':')).unwrap_or_default();
    value.trim_ascii()
}

/// The lines that make a [`Standing`].
const STANDING: [&[u8]; 11] = [
    b"Uid:",
    b"Gid:",
    b"Groups:",
    b"CapInh:",
    b"CapPrm:",
    b"CapEff:",
    b"CapBnd:",
    b"CapAmb:",
    b"NoNewPrivs:",
    b"Seccomp:",
    b"Seccomp_filters:",
];

/// The first thread's, kept open: opening it takes nearly as long as reading it, and that is a third of what a start takes in this program.
fn own_status() -> Option<&'static OwnedFd> {
    static STATUS: OnceLock<(Maker, OwnedFd)> = OnceLock::new();
    if STATUS.get().is_none() {
        // There may be no room for it now.
        let file = open(c"/proc/self/status", OFlags::RDONLY).ok()?;
        let _ = STATUS.set((Maker::this(), file));
    }
    // In a fork of the program it shows that.
    STATUS.get().filter(|(maker, _)| !maker.is_foreign()).map(|(_, file)| file)
}

/// All of it, as of one moment: a list of many groups can make it long.
fn read(file: &OwnedFd) -> rustix::io::Result<Vec<u8>> {
    let mut octets = Vec::with_capacity(4096);
    loop {
        let length = rustix::io::pread(file, rustix::buffer::spare_capacity(&mut octets), 0)?;
        if length < octets.capacity() {
            return Ok(octets);
        }
        octets = Vec::with_capacity(2 * length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_wherever_they_are() {
        let caller =
            Caller::parse(b"Name:\tUid: 0\nUmask:\t0027\nState:\tR\nUid:\t1\t1\t1\t1\nSigIgn:\t8000000000001000\n");
        assert_eq!(caller.umask, Some(0o27));
        assert_eq!(caller.ignored_signals, 1 << 63 | 1 << 12);
        assert_eq!(caller.standing, Standing(b"Uid:\t1\t1\t1\t1".to_vec()));
    }

    #[test]
    fn this_thread_has_an_umask_and_a_standing_that_stays() {
        let (first, second) = (Caller::look().unwrap(), Caller::look().unwrap());
        assert!(first.umask.is_some_and(|umask| umask <= 0o777));
        assert_eq!(first.standing, second.standing);
        assert_ne!(first.standing, Standing::default());
    }
}
