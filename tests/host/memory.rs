//! What processes use: a worker that burns time and memory, one that does nothing, one that idles.

use crate::{Outcome, parked, pause, release, say};
use anyfork::{Process, Worker};
use std::time::{Duration, Instant};

pub(crate) fn run(_: &[&str]) -> Outcome {
    let template = Process::new().template()?;
    for (key, process) in [("default", Process::new()), ("template", template.fork()), ("exec", Process::exec())] {
        say(&format!("{key}-burnt"), used(process.args([100, 50]).run(burn)?)?);
    }
    say("nothing", used(template.fork().args([0, 0]).run(burn)?)?);
    let (idle, _) = parked(template.fork())?;
    say("idle", idle.pid());
    pause("ready");
    release(&idle, 0);
    Ok(())
}

/// Milliseconds of CPU time, kilobytes at the peak, page faults.
fn used(worker: Worker) -> anyfork::Result<String> {
    let usage = worker.wait()?.usage().expect("the template lives, so it reported it");
    let time = (usage.user + usage.system).as_millis();
    Ok(format!("{time} {} {}", usage.peak_memory / 1024, usage.minor_faults))
}

#[anyfork::entry]
fn burn(milliseconds: u64, megabytes: usize) {
    let memory = std::hint::black_box(vec![1_u8; megabytes << 20]);
    let begin = cpu_time();
    // Another bound, for a machine that gives this process no time.
    let until = Instant::now() + Duration::from_secs(10);
    while cpu_time() - begin < Duration::from_millis(milliseconds) && Instant::now() < until {
        std::hint::black_box(&memory);
    }
}

fn cpu_time() -> Duration {
    // SAFETY: a timespec of zeros is valid, and the pointer is to it.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time);
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
