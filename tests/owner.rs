//! The end of the main program, however it ends, is the end of its templates and of what is bound to it. The others go on.

use anyfork_tests::{Host, LONG, Scratch, all_end_soon, host, lives, signal, stop, within};
use rustix::process::Signal;

struct Family {
    host: Host,
    ends: Vec<u32>,
    free: Vec<u32>,
    templates: Vec<u32>,
    witness: Scratch,
}

const ORIGINS: usize = 5;

fn family(how: &str) -> Family {
    let witness = Scratch::new("owner");
    let mut host = host!("owner", &witness, how);
    host.fact("ready");
    let (templates, free) = (host.numbers("templates"), host.numbers("free"));
    let preparing = (0..ORIGINS).map(|number| {
        let path = format!("{}.preparing.{number}", &*witness);
        let text = within(LONG, "a preparation begins", || std::fs::read_to_string(&path).ok());
        text.parse().unwrap()
    });
    let ends: Vec<u32> = preparing.chain(templates.clone()).chain(host.numbers("bound")).collect();
    let of_each_origin = if how == "prepared" { 3 } else { 2 };
    assert_eq!((ends.len(), free.len()), (3 + of_each_origin * ORIGINS, ORIGINS));
    assert!(ends.iter().chain(&free).all(|pid| lives(*pid)));
    Family { host, ends, free, templates, witness }
}

impl Family {
    fn free_ones_go_on(&self) {
        for number in 0..ORIGINS {
            let path = format!("{}.free.{number}", &*self.witness);
            within(LONG, "a worker sees end-of-file", || std::fs::read(&path).ok());
        }
        assert!(self.free.iter().all(|pid| lives(*pid)), "they do not die with the owner");
    }
}

#[test]
fn a_killed_host_takes_its_templates_along() {
    let mut family = family("plain");
    family.ends.push(family.host.default_template());
    family.host.kill();
    all_end_soon(&family.ends);
    family.free_ones_go_on();
}

#[test]
fn a_process_that_is_bound_after_its_preparation_ends_with_the_host() {
    let mut family = family("prepared");
    family.host.kill();
    all_end_soon(&family.ends);
}

#[test]
fn an_ordinary_end_is_an_end_too() {
    let mut family = family("plain");
    family.ends.push(family.host.default_template());
    family.host.go();
    family.host.finish();
    all_end_soon(&family.ends);
    family.free_ones_go_on();
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds the end of the owner is seen on the socket alone")]
fn a_child_of_the_hosts_own_keeps_nothing_alive() {
    let mut family = family("forked");
    let child = family.host.number("child");
    let templates: Vec<u32> =
        anyfork_tests::children(family.host.pid()).into_iter().filter(|pid| *pid != child).collect();
    family.ends.extend(templates);
    family.host.kill();
    all_end_soon(&family.ends);
    assert!(lives(child), "it should have held all sockets open until now");
    signal(child, Signal::KILL);
    family.free_ones_go_on();
}

#[test]
fn a_stopped_template_ends_as_well() {
    for stopped in 0..2 {
        let mut family = family("plain");
        family.ends.push(family.host.default_template());
        stop(family.templates[stopped]);
        family.host.kill();
        all_end_soon(&family.ends);
        family.free_ones_go_on();
    }
}

#[test]
fn a_stopped_default_template_ends_as_well() {
    let mut family = family("plain");
    let default = family.host.default_template();
    family.ends.push(default);
    stop(default);
    family.host.kill();
    all_end_soon(&family.ends);
    family.free_ones_go_on();
}

#[test]
fn a_stopped_template_whose_parent_was_dropped_ends_as_well() {
    let mut family = family("plain");
    family.ends.push(family.host.default_template());
    stop(family.templates[2]);
    family.host.kill();
    all_end_soon(&family.ends);
    family.free_ones_go_on();
}
