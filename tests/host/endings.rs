//! Workers that end in every way, and what of their template runs when they do.

use crate::{Outcome, list, origin, say};
use anyfork::Process;
use anyfork_tests::end_by;
use std::io::Write;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["ways", kind] => ways(kind),
        ["handlers", inherited, own] => handlers(inherited, own),
        ["half-written", kind] => half_written(kind),
        ["hooks"] => hooks(),
        _ => Err("which ending?".into()),
    }
}

fn ways(kind: &str) -> Outcome {
    let (first, template) = origin(kind)?;
    drop(first);
    for way in ["return", "panic", "abort", "overflow", "exit", "_exit", "quick_exit", "error", "killed"] {
        let process = match (kind, &template) {
            ("exec", _) => Process::exec(),
            (_, Some(template)) => template.fork(),
            _ => Process::new(),
        };
        let status = process.arg(way).run(end)?.wait()?;
        say(way, format!("{} {}", status.code().unwrap_or(-1), status.signal().unwrap_or(-1)));
    }
    Ok(())
}

#[anyfork::entry]
fn end(way: String) -> Result<(), String> {
    end_by(&way)
}

static INHERITED: OnceLock<String> = OnceLock::new();
static OWN: OnceLock<String> = OnceLock::new();

fn append(path: &OnceLock<String>, line: &str) {
    let file = std::fs::File::options().create(true).append(true).open(path.get().map_or("", String::as_str));
    let _ = file.and_then(|mut file| writeln!(file, "{line} in {}", std::process::id()));
}

extern "C" fn inherited_handler() {
    append(&INHERITED, "inherited");
}

extern "C" fn own_handler() {
    append(&OWN, "own");
}

fn register(handler: extern "C" fn()) {
    // SAFETY: the function lives as long as the program.
    assert_eq!(unsafe { libc::atexit(handler) }, 0);
}

#[anyfork::entry]
fn register_inherited(path: String) {
    INHERITED.get_or_init(|| path);
    register(inherited_handler);
}

/// Ends with a handler of its own.
#[anyfork::entry]
fn exit_with_handler(path: String) {
    OWN.get_or_init(|| path);
    register(own_handler);
    std::process::exit(9);
}

fn handlers(inherited: &str, own: &str) -> Outcome {
    let template = Process::new().call(register_inherited, [inherited]).template()?;
    let nested = template.fork().template()?;
    let mut codes = Vec::new();
    for template in [&template, &nested] {
        for way in ["return", "panic", "exit", "error"] {
            codes.push(template.fork().arg(way).run(end)?.wait()?.code().unwrap_or(-1));
        }
        codes.push(template.fork().arg(own).run(exit_with_handler)?.wait()?.code().unwrap_or(-1));
    }
    say("codes", list(codes));
    Ok(())
}

#[anyfork::entry]
fn print_half() {
    print_half_here();
}

fn print_half_here() {
    print!("[half-rust]");
    // SAFETY: a format without arguments.
    unsafe { libc::printf(c"[half-c]".as_ptr()) };
}

/// Half a line of its own, which must not be lost.
#[anyfork::entry]
fn print_more() {
    print!("[worker-rust]");
    // SAFETY: a format without arguments.
    unsafe { libc::printf(c"[worker-c]".as_ptr()) };
}

fn half_written(kind: &str) -> Outcome {
    let template = match kind {
        "call" => Process::new().call(print_half, [""; 0]).template()?,
        "here" => {
            print_half_here();
            anyfork::template_here()?
        }
        _ => return Err("half-written where?".into()),
    };
    for _ in 0..5 {
        assert!(template.fork().run(print_more)?.wait()?.success());
    }
    println!();
    Ok(())
}

static HOOKS: AtomicU32 = AtomicU32::new(0);
static HOOKED: AtomicU32 = AtomicU32::new(0);

#[anyfork::after_fork]
fn note_fork() {
    HOOKS.fetch_add(1, Ordering::Relaxed);
    HOOKED.store(std::process::id(), Ordering::Relaxed);
}

/// How many hooks ran, in this process's line of forks; plus 100 if the last one was not in this process.
#[anyfork::entry]
fn count_hooks() -> ExitCode {
    let here = HOOKED.load(Ordering::Relaxed) == std::process::id();
    ExitCode::from(HOOKS.load(Ordering::Relaxed) as u8 + if here { 0 } else { 100 })
}

fn hooks() -> Outcome {
    let template = Process::new().template()?;
    let nested = template.fork().template()?;
    let code =
        |process: Process| -> anyfork::Result<i32> { Ok(process.run(count_hooks)?.wait()?.code().unwrap_or(-1)) };
    say("default", code(Process::new())?);
    say("template", code(template.fork())?);
    say("again", code(template.fork())?);
    say("nested", code(nested.fork())?);
    let spares = crate::spares::template(0..=1)?;
    say("spare", code(spares.fork())?);
    Ok(())
}
