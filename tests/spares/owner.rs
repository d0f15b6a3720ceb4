//! The end of the program, and of the template, while spares wait and while they are used.

use super::*;
use anyfork_tests::{Host, Scratch, all_end_soon, host, signal, stop};
use rustix::process::Signal;

struct Family {
    host: Host,
    template: u32,
    free: u32,
    /// Those that end with the program.
    ends: Vec<u32>,
    witness: Scratch,
}

/// Two spares that wait; one that runs free, one bound, one that is being prepared.
fn family(how: &str) -> Family {
    let witness = Scratch::new("spares");
    let mut host = host!("spares", "family", &witness, how);
    host.fact("ready");
    let (template, free) = (host.number("template"), host.number("free"));
    let preparing = format!("{}.preparing", &*witness);
    within(LONG, "a preparation begins", || std::fs::read(&preparing).ok());
    let mut ends = children(template);
    assert_eq!(ends.len(), 5);
    ends.retain(|pid| *pid != free);
    assert!(ends.contains(&host.number("bound")));
    ends.extend([template, host.default_template_besides(how == "forked")]);
    Family { host, template, free, ends, witness }
}

impl Family {
    fn only_the_free_one_goes_on(&self) {
        all_end_soon(&self.ends);
        let seen = format!("{}.free", &*self.witness);
        within(LONG, "the free one sees end-of-file", || std::fs::read(&seen).ok());
        assert!(lives(self.free));
    }
}

trait DefaultTemplate {
    fn default_template_besides(&mut self, child: bool) -> u32;
}

impl DefaultTemplate for Host {
    /// The host's only child but for the one that it forked itself.
    fn default_template_besides(&mut self, child: bool) -> u32 {
        let child = child.then(|| self.number("child"));
        let mut children = children(self.pid());
        children.retain(|pid| Some(*pid) != child);
        assert_eq!(children.len(), 1, "{children:?}");
        children[0]
    }
}

#[test]
fn a_killed_program_takes_all_along_but_those_that_are_free() {
    let mut family = family("plain");
    family.host.kill();
    family.only_the_free_one_goes_on();
}

#[test]
fn an_ordinary_end_of_the_program_does_so_too() {
    let mut family = family("plain");
    family.host.go();
    family.host.finish();
    family.only_the_free_one_goes_on();
}

#[test]
fn a_stopped_template_keeps_none_of_them() {
    let mut family = family("plain");
    stop(family.template);
    family.host.kill();
    family.only_the_free_one_goes_on();
}

#[test]
fn stopped_spares_end_as_well() {
    let mut family = family("plain");
    family.ends.iter().filter(|pid| children(family.template).contains(pid)).for_each(|pid| stop(*pid));
    family.host.kill();
    family.only_the_free_one_goes_on();
}

/// It has a copy of the client's end of each of their sockets.
#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds the end of the owner is seen on the socket alone")]
fn a_child_of_the_programs_own_keeps_none_of_them() {
    let mut family = family("forked");
    let child = family.host.number("child");
    family.host.kill();
    all_end_soon(&family.ends);
    assert!(lives(child), "it should have held all sockets open until now");
    signal(child, Signal::KILL);
    family.only_the_free_one_goes_on();
}

/// No descriptor and no process, when it is done with a template that was killed.
fn has_left_nothing(mut host: Host) {
    assert_eq!(host.fact("descriptors"), "same");
    host.fact("done");
    within(LONG, "nothing is left", || host.has_only_its_template().then_some(()));
    host.go();
    host.finish();
}

#[test]
fn with_a_killed_template_they_are_gone_and_starts_say_so() {
    let mut host = host!("spares", "killed-template");
    host.fact("kill-it");
    let template = host.number("template");
    let spares = children(template);
    assert_eq!(spares.len(), 3);
    signal(template, Signal::KILL);
    all_end_soon(&[&spares[..], &[template]].concat());
    host.go();
    assert_eq!(host.fact("at-once"), "TemplateGone");
    assert_eq!(host.fact("run"), "TemplateGone TemplateGone TemplateGone");
    assert_eq!(host.fact("again"), "TemplateGone");
    assert_eq!([host.number("before"), host.number("waiting"), host.number("memory")], [0; 3]);
    assert_eq!(host.fact("other"), "true");
    has_left_nothing(host);
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds a status may be lost with the template")]
fn a_template_that_is_killed_while_they_are_taken_loses_no_start() {
    let mut host = host!("spares", "killed-under-way");
    let kinds = host.fact_within(LONG * 2, "kinds");
    assert!(kinds.split(' ').all(|kind| matches!(kind, "TemplateGone" | "ProcessGone")), "{kinds}");
    assert!(host.number("well") > 0);
    has_left_nothing(host);
}

#[test]
fn in_a_fork_of_the_program_the_handle_takes_none() {
    let mut host = host!("spares", "forked");
    assert_eq!((host.number("waiting"), host.number("memory")), (0, 0));
    assert_eq!(host.fact("spares"), "foreign");
    assert_eq!(host.fact("fork"), "foreign");
    assert_eq!(host.number("taken"), 6);
    host.finish();
}

#[test]
fn two_hundred_threads_get_each_its_own_worker() {
    let mut host = host!("spares", "threads");
    let workers = host.number("workers");
    assert_eq!((workers, host.number("distinct")), (800, 800));
    assert_eq!(host.fact("descriptors"), "same");
    host.fact("done");
    within(LONG, "nothing is left", || (host.family().len() == 3 && host.zombies().is_empty()).then_some(()));
    host.go();
    host.finish();
}
