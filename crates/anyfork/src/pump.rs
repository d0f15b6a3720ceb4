//! What a program writes to its pipes, taken in as it comes.

use crate::watch::{self, Watch};
use rustix::event::PollFlags;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdout};
use std::sync::Arc;

/// At a time at most so much of a pipe is read, so that a program that writes without end does not keep an event loop busy.
const MOST: usize = 256 * 1024;

/// What one read may bring.
const CHUNK: usize = 64 * 1024;

#[derive(Debug, Default)]
pub struct Pump {
    /// Standard output and standard error, until their ends.
    pipes: [Option<OwnedFd>; 2],
    read: [Vec<u8>; 2],
}

/// What a pump has come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// All pipes are at their ends.
    All,
    Some,
}

impl Pump {
    pub(crate) fn new(stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> io::Result<Self> {
        let pipes = [stdout.map(OwnedFd::from), stderr.map(OwnedFd::from)];
        for pipe in pipes.iter().flatten() {
            // Only this end is non-blocking: the two ends of a pipe are two open files.
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Pump { pipes, read: Default::default() })
    }

    /// Takes in what is there. Never blocks.
    pub(crate) fn pump(&mut self, seen_by: Option<&Arc<Watch>>) -> io::Result<Pumped> {
        for (pipe, read) in self.pipes.iter_mut().zip(&mut self.read) {
            let Some(open) = pipe else { continue };
            match read_some(open, read)? {
                Read::End => {
                    // A fork of the program may keep it open, and in the watch.
                    seen_by.inspect(|watch| watch.remove(&*open));
                    *pipe = None;
                }
                Read::Nothing => {}
                // An event loop that is told of changes only would not hear of what is left.
                Read::More => seen_by.map_or(Ok(()), |watch| watch.tell_again(&*open))?,
            }
        }
        Ok(if self.pipes.iter().all(Option::is_none) { Pumped::All } else { Pumped::Some })
    }

    /// Sleeps until there is something to read.
    pub(crate) fn sleep(&self) -> io::Result<()> {
        let fds: Vec<_> = self.pipes().into_iter().flatten().map(|pipe| (pipe, PollFlags::IN)).collect();
        watch::sleep(&fds, None)
    }

    pub(crate) fn pipes(&self) -> [Option<BorrowedFd<'_>>; 2] {
        self.pipes.each_ref().map(|pipe| pipe.as_ref().map(AsFd::as_fd))
    }

    pub(crate) fn into_output(self) -> (Vec<u8>, Vec<u8>) {
        let [stdout, stderr] = self.read;
        (stdout, stderr)
    }
}

enum Read {
    End,
    Nothing,
    More,
}

fn read_some(from: &OwnedFd, to: &mut Vec<u8>) -> io::Result<Read> {
    let most = to.len() + MOST;
    while to.len() < most {
        to.reserve(CHUNK.min(to.len().max(4096)));
        match rustix::io::read(from, rustix::buffer::spare_capacity(to)) {
            Ok(0) => return Ok(Read::End),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(Read::Nothing),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(Read::More)
}
