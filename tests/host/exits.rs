//! Many workers that end at once, while their template is stopped.

use crate::{Outcome, parked, pause, release, say};
use anyfork::Process;
use rustix::process::{Resource, getrlimit, setrlimit};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let [count] = arguments else { return Err("how many?".into()) };
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let template = Process::new().template()?;
    say("template", template.pid());
    let count: usize = count.parse()?;
    let workers = (0..count).map(|_| parked(template.fork())).collect::<Result<Vec<_>, _>>()?;
    pause("stop-it");
    for (number, (worker, _)) in workers.iter().enumerate() {
        release(worker, (number % 251) as u8);
    }
    pause("continue-it");
    let mut right = 0;
    for (number, (worker, _)) in workers.iter().enumerate() {
        right += usize::from(worker.wait()?.code() == Some((number % 251) as i32));
    }
    say("right", right);
    pause("done");
    Ok(())
}
