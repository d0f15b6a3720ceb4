//! A worker has standard input, output and error, its socket and what was sent to it, and nothing else.

use anyfork::{Process, Template};
use anyfork_conformance::{Subject, end, park, release};
use anyfork_tests::{LONG, descriptors, identity, open_files, within};
use rustix::io::{FdFlags, fcntl_setfd};
use std::fs::File;
use std::io::pipe;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// Open files of this program that no worker should have; every second one would survive an exec.
fn clutter() -> Vec<OwnedFd> {
    let mut all: Vec<OwnedFd> = Vec::new();
    for _ in 0..20 {
        let ((a, b), (c, d)) = (UnixStream::pair().unwrap(), pipe().unwrap());
        all.extend([OwnedFd::from(a), b.into(), c.into(), d.into(), File::open("/proc/self/exe").unwrap().into()]);
    }
    all.iter().step_by(2).for_each(|fd| fcntl_setfd(fd, FdFlags::empty()).unwrap());
    all
}

fn has_exactly<S: Subject>(process: Process<S::Server>, sent: &[&OwnedFd]) {
    let (worker, socket) = park::<S>(process);
    let of_template = descriptors(std::process::id());
    let mut expected: Vec<String> = (0..=2).map(|number| of_template[&number].clone()).collect();
    expected.push(socket);
    expected.extend(sent.iter().map(identity));
    expected.sort();
    assert_eq!(open_files(worker.pid()), expected, "{:?}", descriptors(worker.pid()));
    let of_worker = descriptors(worker.pid());
    assert!((0..=2).all(|number| of_worker[&number] == of_template[&number]), "{of_worker:?}");
    release(&worker, 0);
    end::<S>(&worker);
}

fn three() -> [OwnedFd; 3] {
    let file = File::open("/proc/self/stat").unwrap();
    [file.into(), pipe().unwrap().1.into(), UnixStream::pair().unwrap().0.into()]
}

pub(crate) fn a_process_without_a_template_has_exactly_what_was_sent<S: Subject>() {
    let before = clutter();
    let sent = three();
    has_exactly::<S>(S::process().fds(&sent), &sent.each_ref());
    drop(before);
}

pub(crate) fn a_fork_has_exactly_what_was_sent<S: Subject>() {
    let before = clutter();
    let sent = three();
    let template = S::template();
    let after = clutter();
    has_exactly::<S>(template.fork().fds(&sent), &sent.each_ref());
    has_exactly::<S>(template.fork(), &[]);
    drop((before, after));
}

pub(crate) fn a_fork_of_nested_templates_has_exactly_what_was_sent<S: Subject>() {
    let sent = three();
    let outer = S::process().fd(&sent[0]).template().unwrap();
    // Another fork of it must not be seen.
    let (sibling, _) = park::<S>(outer.fork().fd(&sent[1]));
    let inner = outer.fork().arg("between").fd(&sent[1]).template().unwrap();
    let after = clutter();
    has_exactly::<S>(inner.fork().fd(&sent[2]), &sent.each_ref());
    has_exactly::<S>(outer.fork(), &[&sent[0]]);
    drop((after, sibling));
}

/// Starts of all kinds, those that fail too, leave the template's descriptors as they were.
pub(crate) fn starts_leave_no_descriptor_in_the_template<S: Subject>() {
    let template = S::template();
    let file = File::open("/proc/self/exe").unwrap();
    let round = |template: &Template<S::Server>| {
        drop(template.fork().fd(&file).run("nowhere").unwrap_err());
        drop(template.fork().fd(&file).call(S::name("fail_preparation"), ["x"]).template().unwrap_err());
        drop(template.fork().fd(&file).start(S::name("report")));
        drop(template.fork().fd(&file).template().unwrap());
        let (worker, _) = park::<S>(template.fork().fd(&file));
        release(&worker, 0);
        end::<S>(&worker);
    };
    round(&template);
    let before = open_files(template.pid());
    (0..20).for_each(|_| round(&template));
    within(LONG, "the template has the descriptors it had", || (open_files(template.pid()) == before).then_some(()));
}
