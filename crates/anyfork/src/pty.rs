//! Pseudoterminals: pty(7).

use crate::error::{Error, Result};
use crate::sys::stdio::above_stdio;
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The size of a terminal, in characters. See [`Pty::resize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PtySize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// 24 lines of 80 characters.
impl Default for PtySize {
    fn default() -> Self {
        PtySize { rows: 24, columns: 80 }
    }
}

/// The caller's side of a program's pseudoterminal: what is written to it is typed there, what the program writes can be read. Made by
/// [`Command::pty`](crate::Command::pty).
///
/// It is blocking. Reading comes to an end (0 bytes) when no process has the terminal open any more. **Dropping** it hangs the terminal up: the
/// processes in its foreground get SIGHUP.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anyfork::{Command, PtySize};
/// use std::io::Write;
///
/// let script = "test -t 0 && read name && echo \"hello $name\"";
/// let mut child = Command::new("sh").args(["-c", script]).pty(PtySize::default()).spawn()?;
/// let terminal = child.pty.as_mut().unwrap();
/// terminal.write_all(b"Ada\n")?;
/// let screen = std::io::read_to_string(terminal)?; // until the program has ended
/// assert_eq!(screen, "Ada\r\nhello Ada\r\n"); // what is typed is shown, too
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pty(OwnedFd);

/// Both sides of a new terminal, neither of which is the caller's controlling terminal.
pub(crate) fn open(size: PtySize) -> io::Result<(Pty, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let own_side = above_stdio(rustix::pty::openpt(flags)?);
    rustix::pty::unlockpt(&own_side)?;
    let other_side = above_stdio(rustix::pty::ioctl_tiocgptpeer(&own_side, flags)?);
    let pty = Pty(own_side);
    pty.set_size(size)?;
    Ok((pty, other_side))
}

impl Pty {
    /// Changes the size; the processes in the foreground get SIGWINCH. Does not block.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use anyfork::{Command, PtySize};
    /// # use std::io::Write;
    /// let mut child = Command::new("sh").args(["-c", "read go; stty size"]).pty(PtySize::default()).spawn()?;
    /// let terminal = child.pty.as_mut().unwrap();
    /// terminal.resize(PtySize { rows: 50, columns: 132 })?;
    /// terminal.write_all(b"\n")?;
    /// assert!(std::io::read_to_string(terminal)?.ends_with("50 132\r\n"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`System`](crate::ErrorKind::System) if the kernel refuses.
    pub fn resize(&self, size: PtySize) -> Result<()> {
        self.set_size(size).map_err(|error| Error::system("resize the terminal", error))
    }

    fn set_size(&self, size: PtySize) -> io::Result<()> {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(rustix::termios::tcsetwinsize(&self.0, size)?)
    }

    /// The size as it is now: the program may change it too.
    ///
    /// # Errors
    /// [`System`](crate::ErrorKind::System) if the kernel refuses.
    pub fn size(&self) -> Result<PtySize> {
        let size = rustix::termios::tcgetwinsize(&self.0).map_err(|errno| Error::system("ask for the size", errno))?;
        Ok(PtySize { rows: size.ws_row, columns: size.ws_col })
    }

    /// Another handle of the same side: one may be read while the other is written to.
    ///
    /// # Errors
    /// [`System`](crate::ErrorKind::System) if there are no more descriptors.
    pub fn try_clone(&self) -> Result<Pty> {
        self.0.try_clone().map(Pty).map_err(|error| Error::system("duplicate the terminal", error))
    }
}

impl Read for Pty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Read for &Pty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match rustix::io::read(&self.0, buffer) {
            // What the kernel says when nobody has the other side open.
            Err(Errno::IO) => Ok(0),
            result => Ok(result?),
        }
    }
}

impl Write for Pty {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        (&*self).write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for &Pty {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, octets)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Pty> for OwnedFd {
    fn from(pty: Pty) -> OwnedFd {
        pty.0
    }
}
