//! One run of a scenario that makes one of everything (`tests/host/intercepted.rs`), in which one system call of one process does not go as it should.
//! After that the scenario is run again, and all must be as if nothing had been.

use anyfork_tests::interception::{Call, Intercepted, Verdict};
use anyfork_tests::{Host, SOON, lives, stat, title, wait_until, within};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// Who is who in the scenario, by descent.
pub(crate) const MAIN: &str = "0";
pub(crate) const DEFAULT_TEMPLATE: &str = "0.1";
pub(crate) const TEMPLATE: &str = "0.1.1";
pub(crate) const WORKER: &str = "0.1.1.1";
pub(crate) const BOUND: &str = "0.1.1.2";
pub(crate) const POLLED: &str = "0.1.1.3";
pub(crate) const FRESH: &str = "0.1.2";
pub(crate) const PROGRAM: &str = "0.1.3";

/// Whether a fallback is forced.
pub(crate) const IS_FORCED: bool = cfg!(any(
    anyfork_no_clone_into_cgroup,
    anyfork_no_close_range,
    anyfork_no_pidfd,
    anyfork_no_pidfd_hangup,
    anyfork_no_pidfd_info,
    anyfork_no_unshare
));

/// One in so many calls is enough then: most are the same as without.
pub(crate) const STRIDE: usize = if IS_FORCED { 7 } else { 1 };

/// The steps of the scenario, and what they come to if nothing interferes.
pub(crate) const USUAL: [(&str, &str); 13] = [
    ("template", "made"),
    ("worker", "made"),
    ("answer", "8"),
    ("status", "exit status: 5"),
    ("bound", "made"),
    ("kill", "sent"),
    ("bound-status", "signal: 9 (SIGKILL)"),
    ("polled", "made"),
    ("polled-status", "exit status: 6"),
    ("fresh", "made"),
    ("fresh-status", "exit status: 3"),
    ("program", "made"),
    ("program-status", "exit status: 7"),
];

/// How one call does not go as it should.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) role: &'static str,
    /// The first, the second, ... of those that this can happen to.
    pub(crate) nth: usize,
    pub(crate) verdict: Verdict,
}

impl Fault {
    fn can_happen_to(&self, call: &Call) -> bool {
        call.role == self.role
            && match self.verdict {
                Verdict::Fail(errno) => call.may_fail_with(errno),
                // Up to its exec, posix_spawn(3) waits for it, whoever calls that: the kernel does (vfork(2)).
                Verdict::Stop => self.role != DEFAULT_TEMPLATE || is_image_of_its_own(call.pid),
                _ => true,
            }
    }
}

/// Whether a process has been given its name by the exec.
fn is_image_of_its_own(pid: u32) -> bool {
    title(pid).starts_with("anyfork: ")
}

/// The host, from its start to its end.
pub(crate) struct Interfered {
    pub(crate) it: Intercepted,
    hit: Arc<OnceLock<Call>>,
    is_over: Arc<AtomicBool>,
    /// All that have made a call.
    processes: Arc<Mutex<BTreeSet<u32>>>,
}

impl Interfered {
    /// With the steps that have little time: those that wait for what is held up.
    pub(crate) fn start(fault: Fault, hurried: &[&str]) -> Self {
        let (hit, is_over) = (Arc::new(OnceLock::new()), Arc::new(AtomicBool::new(false)));
        let processes = Arc::default();
        let mut count = 0;
        let decide = {
            let (hit, is_over, processes) = (Arc::clone(&hit), Arc::clone(&is_over), Arc::clone(&processes));
            move |call: &Call| {
                lock(&processes).insert(call.pid);
                let counts = !is_over.load(Ordering::SeqCst) && fault.can_happen_to(call);
                count += usize::from(counts);
                if !counts || count != fault.nth || hit.set(call.clone()).is_err() {
                    return Verdict::Make;
                }
                fault.verdict
            }
        };
        let command = Host::command(env!("CARGO_BIN_EXE_host"), &[&["intercepted"], hurried].concat());
        Interfered { it: Intercepted::start(command, decide), hit, is_over, processes }
    }

    /// The call that did not go as it should. `None`: there were not as many.
    pub(crate) fn hit(&self) -> Option<&Call> {
        self.hit.get()
    }

    /// Waits until all steps have been taken, and returns what they came to.
    pub(crate) fn steps(&mut self) -> BTreeMap<String, String> {
        self.it.host.fact("settled");
        self.it.host.facts().clone()
    }

    /// The same, and waits until what was ended has ended. From then on nothing interferes.
    pub(crate) fn settle(&mut self) -> BTreeMap<String, String> {
        let steps = self.steps();
        self.only_templates_are_left();
        self.is_over.store(true, Ordering::SeqCst);
        // It may have interfered a moment ago.
        self.only_templates_are_left();
        steps
    }

    fn only_templates_are_left(&self) {
        let stays = |pid: &u32| *pid == self.it.host.pid() || title(*pid).starts_with("anyfork: default template");
        within(SOON, "all but the default template have ended", || self.living().iter().all(stays).then_some(()));
    }

    fn living(&self) -> Vec<u32> {
        lock(&self.processes).iter().copied().filter(|pid| lives(*pid)).collect()
    }

    /// Takes all steps again, in which nothing interferes: all is as usual, and nothing is left over.
    pub(crate) fn works_again(mut self, usual: &Left) {
        self.it.go();
        self.it.host.fact("done");
        let facts = self.it.host.facts();
        for (step, told) in USUAL {
            assert_eq!(facts[&format!("again-{step}")], told, "{step}, the second time");
        }
        let is_usual = wait_until(SOON, || Left::of(&self) == *usual);
        assert!(is_usual, "{:?} instead of {usual:?}", Left::of(&self));
        self.end();
    }

    pub(crate) fn end(mut self) {
        self.it.go();
        self.it.host.finish();
        self.it.nobody_is_left_after(SOON);
    }
}

/// What there is when all steps have been taken: processes, and their descriptors.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Left {
    processes: usize,
    zombies: usize,
    host: Vec<String>,
    template: Vec<String>,
}

impl Left {
    fn of(run: &Interfered) -> Self {
        let (host, living) = (run.it.host.pid(), run.living());
        let template = living.iter().copied().find(|pid| *pid != host).unwrap_or(0);
        // What the system has adopted is its own to wait for. Without pidfds a child of the program, which is a default template, cannot be waited for safely.
        let waits = |pid: u32| living.contains(&pid) && !(cfg!(anyfork_no_pidfd) && pid == host);
        let is_zombie = |pid: &&u32| stat(**pid).is_some_and(|stat| stat.state == 'Z' && waits(stat.parent));
        let zombies = lock(&run.processes).iter().filter(is_zombie).count();
        Left { processes: living.len(), zombies, host: files(host), template: files(template) }
    }

    /// If nothing interferes.
    pub(crate) fn usually() -> Self {
        let nothing = Fault { role: MAIN, nth: 0, verdict: Verdict::Make };
        let mut run = Interfered::start(nothing, &[]);
        let facts = run.settle();
        for (step, told) in USUAL {
            assert_eq!(facts[step], told, "{step}");
        }
        run.it.go();
        run.it.host.fact("done");
        let left = within(SOON, "all are waited for", || Some(Left::of(&run)).filter(|left| left.zombies == 0));
        run.end();
        left
    }
}

fn lock(processes: &Mutex<BTreeSet<u32>>) -> MutexGuard<'_, BTreeSet<u32>> {
    processes.lock().unwrap()
}

/// The steps that came to something else than usual.
pub(crate) fn unusual(facts: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let taken = USUAL.iter().filter_map(|(step, usual)| Some((step, usual, facts.get(*step)?)));
    taken.filter(|(_, usual, told)| told != *usual).map(|(step, _, told)| (step.to_string(), told.clone())).collect()
}

/// The descriptors of a process by what they lead to, without the numbers that are others in each run.
fn files(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    // What a loop is given when there is no room for a descriptor: made once, and kept.
    let links = links.filter(|link| !link.ends_with("anon_inode:[eventfd]"));
    let mut files: Vec<String> =
        links.map(|link| link.to_string_lossy().replace(|c: char| c.is_ascii_digit(), "")).collect();
    files.sort();
    files
}
