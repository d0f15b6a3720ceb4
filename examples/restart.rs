//! A word list that is replaced while it is used, and comes back when its template is killed.
//!
//! The template keeps its recipe. `restart` makes it once more, with the file as it is by then, and lets the new process take over: no request
//! fails in between. If the file is broken, the old process stays. A template that was killed comes back with the next request.
//!
//! Run it: `cargo run --release --example restart`

use anyfork::{Process, Restarts, Template, Worker};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

static WORDS: OnceLock<String> = OnceLock::new();

/// Prepares the template.
#[anyfork::entry]
fn load(file: PathBuf) -> io::Result<()> {
    let words = fs::read_to_string(file)?;
    WORDS.set(words).map_err(|_| io::Error::other("they are there already"))
}

/// Serves one request: the line that begins with the word.
#[anyfork::entry]
fn look_up(mut socket: UnixStream, word: String) -> io::Result<()> {
    let line = WORDS.get().and_then(|words| words.lines().find(|line| line.starts_with(&word)));
    socket.write_all(line.unwrap_or("no such word").as_bytes())
}

/// Tells where this process has its word list.
#[anyfork::entry]
fn tell_address(mut socket: UnixStream) -> io::Result<()> {
    write!(socket, "{:p}", &raw const WORDS)
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let file = env::temp_dir().join(format!("anyfork-words-{}", std::process::id()));
    let result = show(&file);
    fs::remove_file(&file)?;
    result
}

fn show(file: &Path) -> Result<()> {
    fs::write(file, "fork: to divide")?;
    let template = Process::new().restarts(Restarts::automatic()).call(load, [file]).template()?;
    println!("first:     {}", ask(&template)?);

    fs::write(file, "fork: to make a process")?;
    println!("replaced while {} requests were answered", restart_under_load(&template)?);
    println!("restarted: {}", ask(&template)?);

    kill(&template)?;
    println!("killed:    {}", ask(&template)?);

    let other = template.fresh()?;
    println!("a fresh template has its words elsewhere: {}", address(&template)? != address(&other)?);

    fs::write(file, [0xff])?;
    println!("broken:    {}", template.restart().expect_err("it is no text"));
    println!("as before: {}", ask(&template)?);
    Ok(())
}

/// Replaces the template while others use it. Says how many answers they had.
fn restart_under_load(template: &Template) -> anyfork::Result<u32> {
    let (answers, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
    let client = || {
        for turn in 0.. {
            if is_over.load(Ordering::Relaxed) && turn > 10 {
                break;
            }
            ask(template).expect("no request fails");
            answers.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        scope.spawn(client);
        scope.spawn(client);
        let restarted = template.restart();
        is_over.store(true, Ordering::Relaxed);
        restarted
    })?;
    Ok(answers.load(Ordering::Relaxed))
}

fn address(template: &Template) -> Result<String> {
    said(template.fork().blocking_socket(true).run(tell_address)?)
}

fn ask(template: &Template) -> Result<String> {
    said(template.fork().arg("fork").blocking_socket(true).run(look_up)?)
}

fn said(worker: Worker) -> Result<String> {
    let mut text = String::new();
    worker.socket().read_to_string(&mut text)?;
    Ok(text)
}

/// Kills the template as somebody else might, and waits until it is gone.
fn kill(template: &Template) -> Result<()> {
    let number = i32::try_from(template.pid())?;
    kill_process(Pid::from_raw(number).ok_or("no process")?, Signal::KILL)?;
    while Path::new(&format!("/proc/{number}")).exists() {
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
