//! A shell in a pseudoterminal of its own, with this program between it and the user's terminal: what `script`, `ssh`
//! and terminal multiplexers do.
//!
//! The user's terminal is in raw mode meanwhile, so that all keys, Ctrl-C too, go to the shell; its modes are put back
//! whatever happens. One loop of poll(2) copies both ways, passes the window's size on, and sees the shell's end.
//!
//! Run it: `cargo run --release --example pty_shell`, and leave it with `exit`
//! Without a terminal: `cargo run --release --example pty_shell -- --run 'tty; stty size'`

use anyfork::{Child, Command, Exited, Pty, PtySize};
use clap::Parser;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::low_level::pipe;
use std::io::{self, ErrorKind, Read, Stdin, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// Ctrl-D: the end of what is typed.
const END: u8 = 4;

/// A shell in a pseudoterminal.
#[derive(Debug, Parser)]
struct Arguments {
    /// The shell; if not given, the one of the variable SHELL.
    #[arg(long, value_name = "PROGRAM")]
    shell: Option<String>,
    /// Run these commands instead of those that are typed.
    #[arg(long, value_name = "COMMANDS")]
    run: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pty_shell: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The shell's exit code, also for its own death by a signal, as shells say it.
fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let shell = arguments.shell.clone().or_else(|| std::env::var("SHELL").ok());
    let mut command = Command::new(shell.as_deref().unwrap_or("/bin/sh"));
    if let Some(commands) = &arguments.run {
        command.args(["-c", commands]);
    } else if !isatty(io::stdin()) {
        return Err(io::Error::other("standard input is no terminal; --run works without one"));
    }
    let mut session = Session::start(&mut command, arguments.run.is_none())?;
    // After the start, which may fail, and until the end of this function, however that comes.
    let _raw = if arguments.run.is_none() { Some(RawMode::enter(io::stdin())?) } else { None };
    session.copy()
}

/// The user's terminal as the shell's: it passes on every key, and leaves echo and lines to the other terminal.
struct RawMode {
    terminal: Stdin,
    before: Termios,
}

impl RawMode {
    fn enter(terminal: Stdin) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(RawMode { terminal, before })
    }
}

/// Also when a panic goes through.
impl Drop for RawMode {
    fn drop(&mut self) {
        // If the terminal has gone, there is nothing to put back.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// A shell that runs, and what is between it and the user.
struct Session {
    /// Killed when this is dropped before its end.
    _shell: Child,
    exited: Exited,
    pty: Pty,
    /// Whether somebody has the other side of it open.
    pty_is_open: bool,
    /// What was typed and the shell's terminal had no room for.
    typed: Vec<u8>,
    /// Whether more can be typed.
    is_typing: bool,
    /// Each is readable when such a signal has come.
    resized: UnixStream,
    ended: UnixStream,
}

impl Session {
    fn start(command: &mut Command, is_typing: bool) -> io::Result<Self> {
        // Before the first look at the size, so that no change of it is missed.
        let resized = signals(&[SIGWINCH])?;
        let ended = signals(&[SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
        let mut shell = command.pty(own_size()).kill_on_drop(true).spawn()?;
        let pty = shell.pty.take().ok_or_else(|| io::Error::other("the shell has no terminal"))?;
        // A full terminal must not keep this program from reading what would make room.
        rustix::io::ioctl_fionbio(&pty, true)?;
        let exited = shell.exited();
        Ok(Session { _shell: shell, exited, pty, pty_is_open: true, typed: Vec::new(), is_typing, resized, ended })
    }

    /// Copies until the shell has ended, or a signal ends this program.
    fn copy(&mut self) -> io::Result<ExitCode> {
        loop {
            if let Some(status) = self.exited.try_finish()? {
                // What it has written before is there; what others may still write is not waited for.
                self.show()?;
                let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
                return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)));
            }
            let can_read = self.wait()?;
            if has_come(&self.ended)? {
                return Err(io::Error::other("a signal has ended it"));
            }
            // Before the keys that were pressed after it.
            if has_come(&self.resized)? {
                self.pty.resize(own_size())?;
            }
            self.show()?;
            if can_read {
                self.read_keys()?;
            }
            self.pass_on()?;
        }
    }

    /// Sleeps until something happens. Says whether keys can be read.
    fn wait(&self) -> io::Result<bool> {
        let stdin = io::stdin();
        let wants_keys = self.is_typing && self.typed.is_empty();
        let room = if self.typed.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let mut watched = vec![
            PollFd::new(&self.exited, PollFlags::IN),
            PollFd::new(&self.resized, PollFlags::IN),
            PollFd::new(&self.ended, PollFlags::IN),
        ];
        if self.pty_is_open {
            watched.push(PollFd::new(&self.pty, PollFlags::IN | room));
        }
        // The last one, if it is there.
        if wants_keys {
            watched.push(PollFd::new(&stdin, PollFlags::IN));
        }
        match poll(&mut watched, None) {
            Ok(_) => Ok(wants_keys && watched.last().is_some_and(|stdin| !stdin.revents().is_empty())),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Copies what the shell and its programs have written so far.
    fn show(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        let mut octets = [0; 8192];
        while self.pty_is_open {
            match self.pty.read(&mut octets) {
                Ok(0) => self.pty_is_open = false,
                Ok(count) => stdout.write_all(&octets[..count])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        stdout.flush()
    }

    fn read_keys(&mut self) -> io::Result<()> {
        let mut octets = [0; 1024];
        // Not by std's buffer, in which keys would wait that poll(2) does not see.
        match rustix::io::read(io::stdin(), &mut octets) {
            // Nobody types any more.
            Ok(0) | Err(Errno::IO) => {
                self.is_typing = false;
                self.typed.push(END);
            }
            Ok(count) => self.typed.extend_from_slice(&octets[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Types as much as the shell's terminal takes.
    fn pass_on(&mut self) -> io::Result<()> {
        if self.typed.is_empty() {
            return Ok(());
        }
        match self.pty.write(&self.typed) {
            Ok(count) => _ = self.typed.drain(..count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // The shell has closed its terminal: nobody reads this.
            Err(_) if !self.pty_is_open => self.typed.clear(),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The size of the user's terminal, or the usual one.
fn own_size() -> PtySize {
    match tcgetwinsize(io::stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => PtySize { rows: size.ws_row, columns: size.ws_col },
        _ => PtySize::default(),
    }
}

/// Signals as octets in a socket, so that poll(2) sees them.
fn signals(numbers: &[i32]) -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    numbers.iter().try_for_each(|number| pipe::register(*number, writer.try_clone()?).map(drop))?;
    Ok(reader)
}

/// Takes the signals; says whether there were any.
fn has_come(mut signals: &UnixStream) -> io::Result<bool> {
    match signals.read(&mut [0; 64]) {
        Ok(count) => Ok(count > 0),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
