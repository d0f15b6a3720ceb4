//! What is no module, or not one for this process: a typed error that names it, and a template that goes on.

use crate::libraries::{self, small};
use crate::{check, refused, refused_process, says};
use anyfork::{ErrorKind, Process};
use anyfork_tests::Scratch;
use std::fs;
use std::path::Path;

fn is_refused(flags: &[&str], kind: ErrorKind, words: &[&str]) {
    let library = small(flags);
    let template = Process::new().template().unwrap();
    let error = refused(&template, &library);
    check(&error, kind, words);
    check(&error, kind, &["load ", &library]);
    // Nor is it known below: the same file again is the same error.
    assert_eq!(refused(&template, &library).to_string(), error.to_string());
}

#[test]
fn a_library_that_is_no_module() {
    is_refused(&["-DNO_MODULE"], ErrorKind::Load, &["no module", "anyfork_module", "anyfork.h"]);
}

#[test]
fn a_module_of_another_version() {
    is_refused(&["-DVERSION=2"], ErrorKind::Load, &["version 2 of anyfork's modules", "for 1"]);
    is_refused(&["-DVERSION=0"], ErrorKind::Load, &["version 0 of anyfork's modules"]);
}

#[test]
fn a_module_without_a_table() {
    is_refused(&["-DNO_TABLE"], ErrorKind::Load, &["returns no table"]);
}

#[test]
fn a_module_without_a_name() {
    is_refused(&["-DNO_NAME"], ErrorKind::Load, &["its name is no text"]);
    is_refused(&["-DNAME=\"\\xff\""], ErrorKind::Load, &["its name is no text in UTF-8"]);
}

#[test]
fn an_entry_without_a_name_or_a_function() {
    is_refused(&["-DENTRY_WITHOUT_NAME"], ErrorKind::Load, &["the name of an entry is no text"]);
    is_refused(&["-DENTRY_WITHOUT_FUNCTION"], ErrorKind::Load, &["an entry has no function"]);
}

#[test]
fn entries_that_are_announced_and_nowhere() {
    is_refused(&["-DENTRIES_NOWHERE"], ErrorKind::Load, &["entries"]);
}

#[test]
fn a_module_without_entries_loads() {
    let template = Process::new().load(&*small(&["-DNO_ENTRIES"])).template().unwrap();
    assert_eq!(says(template.fork(), "modules::works"), "it works");
    check(&template.fork().run("small::answer").unwrap_err(), ErrorKind::UnknownEntry, &["small::answer"]);
}

/// Bound lazily, as the compiler is told here, it would be missed at the call.
#[test]
fn a_symbol_that_is_missing() {
    let flags = ["-DCALLS_WHAT_IS_NOT_THERE", "-Wl,-z,lazy"];
    is_refused(&flags, ErrorKind::Load, &["undefined symbol: is_not_there"]);
}

#[test]
fn a_library_that_it_needs_and_that_is_missing() {
    let needed = small(&["-DNO_MODULE", "-Wl,-soname,libanyfork-needed.so"]);
    let needs = ["-Wl,--no-as-needed", "-L", "/", &*needed];
    let library = small(&needs);
    let template = Process::new().template().unwrap();
    let error = refused(&template, &library);
    check(&error, ErrorKind::Load, &["load ", &library, "libanyfork-needed.so: cannot open shared object file"]);
    assert_ne!(error.io_kind(), std::io::ErrorKind::NotFound, "the module itself is there");
}

#[test]
fn files_that_are_no_libraries() {
    let template = Process::new().template().unwrap();
    let file = Scratch::new("odd.so");
    let directory = Path::new(&*file).parent().unwrap().to_str().unwrap().to_owned();
    let whole = fs::read(&*small(&[])).unwrap();
    let cases: [(&[u8], &str); 5] = [
        (b"", "file too short"),
        (b"#!/bin/sh\necho hello\n", "file too short"),
        (&[b'x'; 10_000], "invalid ELF header"),
        (&whole[..64], "cannot read file data"),
        (&whole[..whole.len() / 2], ""),
    ];
    for (octets, words) in cases {
        fs::write(&*file, octets).unwrap();
        let error = refused(&template, &file);
        if !words.is_empty() {
            check(&error, ErrorKind::Load, &["load ", &file, words]);
        }
    }
    check(&refused(&template, &directory), ErrorKind::Load, &[&directory]);
    fs::write(&*file, whole).unwrap();
    assert_eq!(says(template.fork().load(&*file), "small::answer"), "1");
}

#[test]
fn an_entry_that_is_registered_already() {
    let template = Process::new().load(libraries::rust()).template().unwrap();
    // By a copy of the module, which is another library.
    let copy = Scratch::new("copy.so");
    fs::copy(libraries::rust(), &*copy).unwrap();
    let error = refused(&template, &copy);
    check(&error, ErrorKind::AmbiguousEntry, &["load ", &copy, "module::", "registered already"]);
    assert_eq!(says(template.fork(), "module::palette::colour"), "blue");
    // By another module of the same name.
    let first = small(&[]);
    let second = small(&["-DANSWER=\"2\""]);
    let process = template.fork().load(&*first).load(&*second);
    check(&refused_process(&template, process), ErrorKind::AmbiguousEntry, &[&second, "small::answer is registered"]);
}

#[test]
fn an_entry_that_a_module_has_twice() {
    is_refused(&["-DTWICE"], ErrorKind::AmbiguousEntry, &["small::answer"]);
}

#[test]
fn an_entry_that_the_program_has() {
    is_refused(&["-DNAME=\"modules\"", "-DENTRY=\"works\""], ErrorKind::AmbiguousEntry, &["modules::works"]);
}

#[test]
fn the_first_of_several_errors_is_told() {
    let template = Process::new().template().unwrap();
    let (good, bad) = (small(&[]), small(&["-DNO_TABLE"]));
    let process = template.fork().load(&*good).load(&*bad).load("/nowhere.so").call("small::nothing", ["x"]);
    check(&refused_process(&template, process), ErrorKind::Load, &[&bad, "returns no table"]);
}
