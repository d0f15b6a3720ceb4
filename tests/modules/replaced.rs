//! A new version of a file is for new templates: those who have the old one go on with it, and nobody fails in between.

use crate::libraries::answers;
use crate::{check, says};
use anyfork::{ErrorKind, Process, Template};
use anyfork_tests::{LONG, answer, lives, wait_until, within};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

fn template(library: &str) -> Arc<Template> {
    Arc::new(Process::new().load(library).template().unwrap())
}

/// Puts a library in the place of another, as a package manager does.
fn replace(library: &str, new: &str) {
    let beside = Path::new(library).with_extension("new");
    fs::copy(new, &beside).unwrap();
    fs::rename(beside, library).unwrap();
}

#[test]
fn a_module_is_replaced_under_load_and_no_request_fails() {
    let library = answers("1");
    let second = answers("2");
    let current = Mutex::new(template(&library));
    let answered = [AtomicU32::new(0), AtomicU32::new(0)];
    let count = |version: usize| answered[version - 1].load(Ordering::Relaxed);
    let is_over = AtomicBool::new(false);

    let request = || {
        let template = Arc::clone(&current.lock().unwrap());
        let worker = template.fork().blocking_socket(true).run("small::answer").unwrap();
        let version: usize = answer(&worker).parse().unwrap();
        assert!(worker.wait().unwrap().success());
        answered[version - 1].fetch_add(1, Ordering::Relaxed);
        version
    };
    let load = || {
        let mut newest = 0;
        while !is_over.load(Ordering::Relaxed) {
            let version = request();
            assert!(version >= newest, "an old answer after a new one");
            newest = version;
        }
        newest
    };
    thread::scope(|scope| {
        let _end = EndAtLast(&is_over);
        let clients = [scope.spawn(load), scope.spawn(load)];
        within(LONG, "answers of the first version", || (count(1) >= 50).then_some(()));
        let old_template = current.lock().unwrap().pid();
        let old_worker = current.lock().unwrap().fork().blocking_socket(true).run("small::answer_later").unwrap();

        replace(&library, &second);
        let before = count(1);
        within(LONG, "the old template goes on", || (count(1) >= before + 20).then_some(()));
        assert_eq!(count(2), 0);
        let new = template(&library);
        *current.lock().unwrap() = new;

        within(LONG, "answers of the second version", || (count(2) >= 50).then_some(()));
        assert!(wait_until(LONG, || !lives(old_template)), "the old template stays");
        old_worker.socket().write_all(b"!").unwrap();
        assert_eq!(answer(&old_worker), "1", "it has the code that it was started with");
        assert!(old_worker.wait().unwrap().success());

        fs::remove_file(&*library).unwrap();
        let before = count(2);
        within(LONG, "the file is not needed any more", || (count(2) >= before + 50).then_some(()));
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            assert_eq!(client.join().unwrap(), 2);
        }
    });
    println!("{} answers of the first version, {} of the second", count(1), count(2));
}

/// So that clients end, and with them the scope, when a check has failed.
struct EndAtLast<'a>(&'a AtomicBool);

impl Drop for EndAtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_new_version_is_for_new_templates_and_a_broken_one_for_none() {
    let library = answers("1");
    let first = template(&library);
    replace(&library, &answers("2"));
    let second = template(&library);
    let nested = first.fork().template().unwrap();
    fs::write(format!("{}.new", &*library), "broken").unwrap();
    fs::rename(format!("{}.new", &*library), &*library).unwrap();
    assert!(Process::new().load(&*library).template().is_err());
    for _ in 0..3 {
        assert_eq!(says(first.fork(), "small::answer"), "1");
        assert_eq!(says(nested.fork(), "small::answer"), "1");
        assert_eq!(says(second.fork(), "small::answer"), "2");
    }
}

/// dlopen(3) knows a library by its path before it looks at the file.
#[test]
fn a_template_that_has_the_old_version_keeps_it_when_it_loads_the_path_again() {
    let library = answers("1");
    let first = template(&library);
    let second = answers("2");
    replace(&library, &second);
    let again = first.fork().load(&*library).template().unwrap();
    assert_eq!(says(again.fork(), "small::answer"), "1");
    // By another path it is another library, whose entries are there already.
    let error = first.fork().load(&*second).template().unwrap_err();
    check(&error, ErrorKind::AmbiguousEntry, &[&second, "small::answer"]);
}
