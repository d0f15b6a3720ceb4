//! Templates below each other that are killed, in each order.

use crate::faults::kind_of;
use crate::namespace::as_number_one;
use crate::{Outcome, entries, parked, release, say};
use anyfork::{Process, Template, Worker};
use anyfork_tests::{LONG, all_end_soon, children, lives, signal, stat, wait_until};
use rustix::process::{Signal, WaitOptions, getpid, set_child_subreaper, waitpid};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["plain"] => all_orders(),
        ["number-one"] => as_number_one(all_orders),
        ["adopting"] => {
            set_child_subreaper(Some(getpid()))?;
            all_orders()
        }
        ["below-a-subreaper"] => below_a_subreaper(all_orders),
        _ => Err("nested where?".into()),
    }
}

/// Whoever loses its parent comes to a process that never waits for it.
fn below_a_subreaper(scenario: fn() -> Outcome) -> Outcome {
    set_child_subreaper(Some(getpid()))?;
    // SAFETY: this program has one thread.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let outcome = scenario();
        outcome.inspect(|()| std::process::exit(0))
    } else {
        let status = waitpid(rustix::process::Pid::from_raw(child), WaitOptions::empty())?;
        let is_good = status.is_some_and(|(_, status)| status.exit_status() == Some(0));
        if is_good { Ok(()) } else { Err(format!("it ended with {status:?}").into()) }
    }
}

/// The default template and those below it.
const LEVELS: usize = 4;

fn all_orders() -> Outcome {
    let mut count = 0;
    for number in 0..LEVELS.pow(LEVELS as u32) {
        let order: Vec<usize> = (0..LEVELS).map(|place| number / LEVELS.pow(place as u32) % LEVELS).collect();
        if (0..LEVELS).all(|level| order.contains(&level)) {
            killed_in(&order)?;
            count += 1;
        }
    }
    say("orders", count);
    Ok(())
}

/// A template with one worker that may go on without it, and one that is bound to the program.
struct Level {
    /// `None`: the default template.
    template: Option<Template>,
    pid: u32,
    free: Worker,
    bound: Worker,
}

impl Level {
    fn new(template: Option<Template>) -> anyfork::Result<Self> {
        let fork = || template.as_ref().map_or_else(Process::new, Template::fork);
        let (free, bound) = (parked(fork())?.0, parked(fork().die_with_owner(true))?.0);
        let pid = stat(free.pid()).map_or(0, |worker| worker.parent);
        Ok(Level { pid, free, bound, template })
    }

    /// The default template is started again, any other is gone for good.
    fn is_right(&self, killed: bool) -> Outcome {
        match &self.template {
            Some(template) if killed => assert_eq!(kind_of(template.fork().run(entries::nothing)), "TemplateGone"),
            Some(template) => ends_well(template.fork())?,
            None => ends_well(Process::new())?,
        }
        assert!(self.free.try_wait()?.is_none());
        Ok(())
    }
}

/// Until its template has waited for it too, which is a moment after that has told: were it killed in between, the dead one would be the program's to wait for.
fn ends_well(process: Process) -> Outcome {
    let worker = process.run(entries::nothing)?;
    assert!(worker.wait()?.success());
    assert!(wait_until(LONG, || stat(worker.pid()).is_none()));
    Ok(())
}

fn killed_in(order: &[usize]) -> Outcome {
    let outer = Process::new().template()?;
    let middle = outer.fork().template()?;
    let inner = middle.fork().template()?;
    let levels = [None, Some(outer), Some(middle), Some(inner)].into_iter().map(Level::new);
    let levels = levels.collect::<Result<Vec<_>, _>>()?;
    for (step, number) in order.iter().enumerate() {
        let killed = &levels[*number];
        signal(killed.pid, Signal::KILL);
        all_end_soon(&[killed.pid]);
        assert_eq!(killed.bound.wait()?.signal(), Some(libc::SIGKILL), "{order:?}");
        for (number, level) in levels.iter().enumerate() {
            level.is_right(order[..=step].contains(&number))?;
        }
    }
    for (code, level) in (20..).zip(&levels) {
        release(&level.free, code);
        assert_eq!(level.free.wait()?.code(), Some(code.into()), "{order:?}");
    }
    drop(levels);
    let zombies = || children(std::process::id()).into_iter().filter(|pid| !lives(*pid)).collect::<Vec<_>>();
    assert!(wait_until(LONG, || zombies().is_empty()), "{order:?}: {:?}", zombies());
    Ok(())
}
