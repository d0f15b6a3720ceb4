//! What constructors of a library do and leave: it ends by the deadline, and is said.

use crate::libraries::small;
use crate::{check, refused, refused_process, says};
use anyfork::{ErrorKind, Process};
use anyfork_tests::{LONG, children, wait_until};
use std::time::{Duration, Instant};

#[test]
fn one_that_crashes_is_the_end_of_its_process_alone() {
    let template = Process::new().template().unwrap();
    let error = refused(&template, &small(&["-DCRASHES"]));
    check(&error, ErrorKind::ProcessGone, &["ended before it was ready", "signal: 6 (SIGABRT)"]);
    let error = refused(&template, &small(&["-DEXITS"]));
    check(&error, ErrorKind::ProcessGone, &["exit status: 5"]);
}

#[test]
fn one_that_hangs_ends_by_the_deadline() {
    let template = Process::new().template().unwrap();
    let hangs = small(&["-DHANGS"]);
    let start = Instant::now();
    let error = refused_process(&template, template.fork().load(&*hangs).deadline(Duration::from_millis(300)));
    check(&error, ErrorKind::Deadline, &["make a template, prepared by /", "the deadline passed"]);
    assert!((300..3000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    let error = template.fork().load(&*hangs).deadline(Duration::from_millis(100)).run("small::answer").unwrap_err();
    check(&error, ErrorKind::Deadline, &["start small::answer"]);
    // Dropped, and with the template.
    drop(template.fork().load(&*hangs));
    assert!(wait_until(LONG, || children(template.pid()).is_empty()), "it stays");
    let process = template.fork().load(&*hangs);
    assert!(wait_until(LONG, || !children(template.pid()).is_empty()), "it is started by that");
    let loads = children(template.pid());
    drop((template, process));
    assert!(wait_until(LONG, || !loads.iter().any(|pid| anyfork_tests::lives(*pid))), "it stays");
}

#[test]
fn a_thread_that_is_left_is_refused_and_named() {
    let template = Process::new().template().unwrap();
    let library = small(&["-DTHREAD"]);
    let error = refused(&template, &library);
    check(
        &error,
        ErrorKind::Threads,
        &["load ", &library, "its constructors left the process with 2 threads (", "in an entry"],
    );
    // Also where nothing is forked.
    let error = template.fork().load(&*library).run("small::answer").unwrap_err();
    check(&error, ErrorKind::Threads, &["2 threads"]);
}

#[test]
fn a_descriptor_that_is_left_is_refused_and_named() {
    let template = Process::new().template().unwrap();
    let library = small(&["-DDESCRIPTOR"]);
    let error = refused(&template, &library);
    check(&error, ErrorKind::Load, &["load ", &library, "left descriptors open: ", "(/dev/zero)", "in an entry"]);
    let error = Process::exec().load(&*library).run("small::answer").unwrap_err();
    check(&error, ErrorKind::Load, &["/dev/zero"]);
    assert_eq!(says(template.fork().load(&*small(&["-DCLOSES_WHAT_IT_OPENS"])), "small::answer"), "1");
}

#[test]
fn a_descriptor_that_is_replaced_is_refused_and_named() {
    let template = Process::new().template().unwrap();
    let error = refused(&template, &small(&["-DREPLACES"]));
    check(&error, ErrorKind::Load, &["0 (/dev/zero)"]);
}
