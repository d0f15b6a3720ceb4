//! Templates and a worker, for a test that sends them what a terminal sends.

use crate::{Outcome, entries, parked, pause, say};
use anyfork::Process;

pub(crate) fn run(_: &[&str]) -> Outcome {
    let template = Process::new().template()?;
    let (worker, _) = parked(template.fork())?;
    say("template", template.pid());
    say("worker", worker.pid());
    pause("ready");
    for process in [Process::new(), template.fork(), Process::exec()] {
        let again = process.arg(5).run(entries::exit_with)?;
        say("works", again.wait()?.code().unwrap_or(-1));
    }
    say("worker-ended", worker.wait()?.signal().unwrap_or(-1));
    for signal in [libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP] {
        let (worker, _) = parked(template.fork())?;
        worker.signal(signal)?;
        say(&format!("after-{signal}"), worker.wait()?.signal().unwrap_or(-1));
    }
    pause("ended");
    Ok(())
}
