//! Workers of each origin, started by a program that holds many descriptors; and what is open before and after many starts.

use crate::{Outcome, entries, list, origin, parked, pause, pause_at, release, say};
use anyfork::{Process, Template};
use anyfork_tests::{descriptors, identity, open_files};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["worker", kind] => worker(kind),
        ["starts"] => starts(),
        ["closed", kind] => closed(kind, "012"),
        ["closed", kind, numbers] => closed(kind, numbers),
        _ => Err("descriptors of what?".into()),
    }
}

/// Files, pipes and sockets; every second one would survive an exec.
fn clutter() -> std::io::Result<Vec<OwnedFd>> {
    let mut all = Vec::new();
    for _ in 0..25 {
        let (a, b) = UnixStream::pair()?;
        let (c, d) = std::io::pipe()?;
        all.extend([a.into(), b.into(), c.into(), d.into(), File::open("/proc/self/exe")?.into()]);
    }
    for fd in all.iter().step_by(2) {
        fcntl_setfd(fd, FdFlags::empty())?;
    }
    Ok(all)
}

fn worker(kind: &str) -> Outcome {
    let before = clutter()?;
    let sent = [File::open("/proc/self/stat")?.into(), std::io::pipe()?.1.into(), UnixStream::pair()?.0.into()];
    let sent: [OwnedFd; 3] = sent;
    let (more, _template);
    let (worker, socket) = if kind == "inherited" {
        let outer = Process::new().fd(&sent[0]).template()?;
        let inner = outer.fork().arg("between").fd(&sent[1]).template()?;
        more = clutter()?;
        parked(inner.fork().fd(&sent[2]))?
    } else {
        let (process, template) = origin(kind)?;
        more = clutter()?;
        let parked = parked(process.fds(&sent))?;
        // Its worker's status comes from it.
        _template = template;
        parked
    };
    say("worker", worker.pid());
    say("socket", socket);
    say("sent", list(sent.iter().map(identity)));
    pause("ready");
    release(&worker, 0);
    worker.wait()?;
    drop((before, more));
    Ok(())
}

fn starts() -> Outcome {
    let template = Process::new().template()?;
    let here = anyfork::template_here()?;
    for round in 0..5 {
        start_all_kinds(round, &template, &here)?;
    }
    say("templates", list([template.pid(), here.pid()]));
    say("before", list(open_files(std::process::id())));
    pause("counted");
    for round in 0..200 {
        start_all_kinds(round, &template, &here)?;
    }
    say("after", list(open_files(std::process::id())));
    pause("done");
    Ok(())
}

/// One start, of another kind in each round, and its end.
fn start_all_kinds(round: u32, template: &Template, here: &Template) -> Outcome {
    let soon = Duration::from_millis(5);
    let file = File::open("/proc/self/exe")?;
    match round % 8 {
        0 => drop(Process::new().fd(&file).run(entries::park)?.wait_timeout(Duration::ZERO)?),
        1 => drop(template.fork().fd(&file).run(entries::accept)?.wait()?),
        2 => drop(here.fork().fd(&file).run(entries::accept)?.wait()?),
        3 => drop(Process::exec().fd(&file).run(entries::accept)?.wait()?),
        4 => drop(template.fork().fd(&file).run("no such entry").unwrap_err()),
        5 => drop(template.fork().call(entries::fail_to_prepare, [""; 0]).fd(&file).template().unwrap_err()),
        6 => {
            let process = template.fork().fd(&file).call(entries::prepare_for_ever, ["/dev/null/not"]);
            drop(process.deadline(soon).run(entries::accept).unwrap_err());
        }
        _ => drop(template.fork().fd(&file).template()?),
    }
    Ok(())
}

/// Some of standard input, output and error are closed before anyfork is used first. The facts go out elsewhere.
fn closed(kind: &str, numbers: &str) -> Outcome {
    let mut input = BufReader::new(File::from(fcntl_dupfd_cloexec(rustix::stdio::stdin(), 100)?));
    let mut output = File::from(fcntl_dupfd_cloexec(rustix::stdio::stdout(), 100)?);
    for number in numbers.bytes().map(|digit| i32::from(digit - b'0')) {
        // SAFETY: nothing in this program reads or writes these from now on.
        unsafe { libc::close(number) };
    }
    let (process, _template) = origin(kind)?;
    let (worker, socket) = parked(process)?;
    let open = descriptors(worker.pid());
    use std::io::Write;
    writeln!(output, "socket {socket}")?;
    writeln!(output, "worker {}", worker.pid())?;
    writeln!(output, "open {open:?}")?;
    pause_at(&mut input, &mut output, "ready");
    release(&worker, 3);
    writeln!(output, "code {:?}", worker.wait()?.code())?;
    writeln!(output, "end ")?;
    std::process::exit(0)
}
