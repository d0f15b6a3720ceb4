//! A default template forked from the program itself, at the start of `main`, instead of one that is exec'd later.
//!
//! It is for programs that cannot be exec'd again when they need a process: after a chroot, in a sandbox. It must come
//! before the first thread: a fork copies one thread and the locks of all.
//!
//! Run it: `cargo run --release --example early`
//! Too late: `cargo run --release --example early -- --late`

use anyfork::{ErrorKind, Process};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::{env, io, io::Read, io::Write};

/// Set before `early`, so every process that is started has it.
static SETTING: OnceLock<String> = OnceLock::new();

/// Runs in a new process.
#[anyfork::entry]
fn report(mut socket: UnixStream, starter: String) -> io::Result<()> {
    let setting = SETTING.get().map_or("nothing", String::as_str);
    let pid = std::process::id();
    write!(socket, "worker {pid}, started by thread {starter}, knows: {setting}")
}

fn main() -> ExitCode {
    let shown = if env::args().any(|arg| arg == "--late") { too_late() } else { in_time() };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("early: {error}");
            ExitCode::FAILURE
        }
    }
}

/// First the template, then whatever the program likes.
fn in_time() -> io::Result<()> {
    SETTING.get_or_init(|| "what main had read before early()".to_owned());
    anyfork::early()?;
    println!("early() has forked the default template; now the program may have threads");

    let threads = (1..=3).map(|number| thread::Builder::new().name(format!("t{number}")).spawn(start_worker));
    for thread in threads.collect::<io::Result<Vec<_>>>()? {
        let answer = thread.join().map_err(|_| io::Error::other("a thread panicked"))??;
        println!("{answer}");
    }

    // There is one default template, whether forked early or exec'd when it was first needed.
    if let Err(error) = anyfork::early() {
        println!("once more: {:?}: {error}", error.kind());
    }
    Ok(())
}

fn start_worker() -> io::Result<String> {
    let starter = thread::current().name().unwrap_or_default().to_owned();
    let worker = Process::new().arg(starter).blocking_socket(true).run(report)?;
    let mut answer = String::new();
    worker.socket().read_to_string(&mut answer)?;
    let status = worker.wait()?;
    Ok(format!("{answer}; its end: {status}"))
}

/// First a thread, then the template: refused, and nothing has happened.
fn too_late() -> io::Result<()> {
    let (stop, stopped) = mpsc::channel::<()>();
    let (running, runs) = mpsc::channel();
    let metrics = thread::Builder::new().name("metrics".into()).spawn(move || {
        let _ = running.send(());
        let _ = stopped.recv();
    })?;
    runs.recv().map_err(io::Error::other)?;

    match anyfork::early() {
        Err(error) if error.kind() == ErrorKind::Threads => println!("refused: {error}"),
        Err(error) => return Err(error.into()),
        Ok(()) => return Err(io::Error::other("early() has forked a program with two threads")),
    }

    // The way that minds no threads: the default template is exec'd, now that it is first needed.
    let answer = start_worker()?;
    println!("without early(): {answer}");
    drop(stop);
    metrics.join().map_err(|_| io::Error::other("the thread panicked"))
}
