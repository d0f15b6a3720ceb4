//! anyfork as a faster fork and exec: the example of AnyEvent::Fork's documentation, and what it is good for.
//!
//! First a program whose standard output goes to a file and whose standard error to a socket. Then how long a start
//! takes from a program with much memory: std hands a plain start to the kernel without copying anything, but for a
//! user or a session it forks, and a fork copies the page tables of the whole program.
//!
//! Run it: `cargo run --release --example faster_exec` (or `-- --megabytes 2000`)

use clap::Parser;
use std::hint::black_box;
use std::io::{self, Read, Seek};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

const MEGABYTE: usize = 1 << 20;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Programs started by a program that is big.
#[derive(Debug, Parser)]
struct Arguments {
    /// How much memory this program has while it starts others.
    #[arg(long, value_name = "N", default_value_t = 500)]
    megabytes: usize,
    /// How many starts of each sort are timed.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    run(&["/bin/echo", "hi"])?;
    run(&["/bin/cat", "/no/such/file"])?;
    compare(&arguments)
}

/// Runs a program: standard output into a file, standard error into a socket.
fn run(words: &[&str]) -> Result<()> {
    let mut output = tempfile::tempfile()?;
    let (mut errors, theirs) = UnixStream::pair()?;
    // The `Command` keeps its ends for another start. It is dropped at the end of this statement, so that the socket
    // ends when the program does.
    let mut child =
        anyfork::Command::new(words[0]).args(&words[1..]).stdout(output.try_clone()?).stderr(theirs).spawn()?;
    let errors = io::read_to_string(&mut errors)?;
    let status = child.wait()?;
    let mut text = String::new();
    output.rewind()?;
    output.read_to_string(&mut text)?;
    println!("{}: the file has {text:?}, the socket {errors:?} ({status})", words.join(" "));
    Ok(())
}

/// Times starts by std and by anyfork, from a program of that size.
fn compare(arguments: &Arguments) -> Result<()> {
    let Arguments { megabytes, starts } = *arguments;
    // Written to, so that it is there.
    let memory = black_box(vec![1_u8; megabytes * MEGABYTE]);
    let user = rustix::process::getuid().as_raw();

    println!("\nTime per start of /bin/true from a program with {megabytes} MB, median of {starts}, in ms:\n");
    println!("{:<12} {:>8} {:>8}", "asked for", "std", "anyfork");
    let plain = medians(starts, || start_by_std(|_| ()), || start_by_anyfork(|_| ()))?;
    print_row("nothing", Some(plain[0]), plain[1]);
    // Its own user, which needs no privilege.
    let uid = medians(
        starts,
        || start_by_std(|command| _ = command.uid(user)),
        || start_by_anyfork(|command| _ = command.uid(user)),
    )?;
    print_row("uid", Some(uid[0]), uid[1]);
    let session = medians(starts, || Ok(Duration::ZERO), || start_by_anyfork(|command| _ = command.setsid(true)))?;
    print_row("setsid", None, session[1]);
    drop(black_box(memory));
    println!("\n-: std has it only as a function that runs between fork and exec, which is unsafe code.");
    Ok(())
}

fn print_row(what: &str, std: Option<Duration>, anyfork: Duration) {
    let milliseconds = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1000.0);
    let std = std.map_or_else(|| "-".to_owned(), milliseconds);
    println!("{what:<12} {std:>8} {:>8}", milliseconds(anyfork));
}

/// Both in turn, so that a busy moment of the machine meets both.
fn medians(
    starts: u32,
    mut first: impl FnMut() -> Result<Duration>,
    mut second: impl FnMut() -> Result<Duration>,
) -> Result<[Duration; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..starts {
        times[0].push(first()?);
        times[1].push(second()?);
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    }))
}

/// How long it takes until the program runs: both return when the exec has succeeded.
fn start_by_std(prepare: impl Fn(&mut std::process::Command)) -> Result<Duration> {
    let mut command = std::process::Command::new("/bin/true");
    prepare(&mut command);
    let start = Instant::now();
    let mut child = command.spawn()?;
    let time = start.elapsed();
    if !child.wait()?.success() {
        return Err("/bin/true, started by std, has failed".into());
    }
    Ok(time)
}

fn start_by_anyfork(prepare: impl Fn(&mut anyfork::Command)) -> Result<Duration> {
    let mut command = anyfork::Command::new("/bin/true");
    prepare(&mut command);
    let start = Instant::now();
    let mut child = command.spawn()?;
    let time = start.elapsed();
    if !child.wait()?.success() {
        return Err("/bin/true, started by anyfork, has failed".into());
    }
    Ok(time)
}
