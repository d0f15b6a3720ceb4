//! Where libraries are looked for, and what loading one twice does.

use crate::libraries::{self, Beside, answers};
use crate::{check, says};
use anyfork::{ErrorKind, Process};
use anyfork_tests::{Host, Scratch, host};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A host program that loads a library and runs the entry of the small module.
fn host_that_loads(name: &str, library_path: Option<&Path>) -> Host {
    let mut command = Host::command(env!("CARGO_BIN_EXE_host"), &["modules", "load", name, "small::answer"]);
    match library_path {
        Some(path) => command.env("LD_LIBRARY_PATH", path),
        // The runner of these tests has set it, to where they are.
        None => command.env_remove("LD_LIBRARY_PATH"),
    };
    Host::start(command)
}

#[test]
fn a_name_without_a_slash_is_looked_for_beside_the_program_first() {
    let (first, second) = (answers("beside"), answers("found"));
    let beside = Beside::link(Path::new(env!("CARGO_BIN_EXE_host")), &first);
    let elsewhere = Path::new(&*second).with_file_name(beside.name());
    fs::rename(&*second, &elsewhere).unwrap();
    for library_path in [None, elsewhere.parent()] {
        let mut host = host_that_loads(beside.name().to_str().unwrap(), library_path);
        assert_eq!(host.fact("answer"), "beside");
        host.finish();
    }
    drop(beside);
    let mut host = host_that_loads(elsewhere.file_name().unwrap().to_str().unwrap(), elsewhere.parent());
    assert_eq!(host.fact("answer"), "found");
    host.finish();
}

#[test]
fn a_name_without_a_slash_is_found_as_dlopen_finds_it() {
    let library = answers("found");
    let path = Path::new(&*library);
    let mut host = host_that_loads("small.so", path.parent());
    assert_eq!(host.fact("answer"), "found");
    host.finish();
    let mut host = host_that_loads("small.so", Some(Path::new("/nowhere")));
    let error = host.fact("error");
    let beside = Path::new(env!("CARGO_BIN_EXE_host")).with_file_name("small.so");
    for text in ["load small.so: ", &format!("tried {}, then ", beside.display()), "dlopen(3)", "No such file"] {
        assert!(error.contains(text), "{text} in {error}");
    }
    host.finish();
}

#[test]
fn a_relative_path_begins_where_the_program_is_now() {
    let library = answers("relative");
    let directory = Path::new(&*library).parent().unwrap().to_str().unwrap();
    let from_the_root = "../".repeat(20) + &library;
    for file in ["./small.so", from_the_root.as_str()] {
        let mut host = host!("modules", "elsewhere", directory, file, "small::answer");
        assert_eq!(host.fact("answer"), "relative");
        host.finish();
    }
    // Without a slash it is no path.
    let mut host = host!("modules", "elsewhere", directory, "small.so", "small::answer");
    assert!(host.fact("error").starts_with("load small.so: tried "));
    host.finish();
}

#[test]
fn loading_twice_does_nothing() {
    let library = answers("once");
    let link = Path::new(&*library).with_file_name("link.so");
    std::os::unix::fs::symlink(&*library, &link).unwrap();
    let process = Process::new().load(&*library).load(&*library).load(libraries::rust()).load(&link);
    let template = process.call("module::preparations::keep", ["kept"]).template().unwrap();
    assert_eq!(says(template.fork(), "small::answer"), "once");
    let again = template.fork().load(libraries::rust()).load(&link).load(&*library).template().unwrap();
    assert_eq!(says(again.fork(), "small::answer"), "once");
    assert_eq!(says(again.fork(), "module::preparations::kept"), "kept", "it is not made anew");
}

#[test]
fn odd_names_are_found_or_refused() {
    let library = answers("odd");
    for name in [" a b\n.so", "-x.so", "ümläut.so"] {
        let odd = Path::new(&*library).with_file_name(name);
        fs::copy(&*library, &odd).unwrap();
        assert_eq!(says(Process::new().load(&odd), "small::answer"), "odd", "{name:?}");
    }
    let odd = Path::new(&*library).with_file_name(OsStr::from_bytes(b"\xff.so"));
    fs::copy(&*library, &odd).unwrap();
    assert_eq!(says(Process::new().load(&odd), "small::answer"), "odd");
    for name in ["", "a\0b", "/tmp/a\0b.so", &"n".repeat(300), &"/n".repeat(3000), &"n".repeat(100_000)] {
        let error = Process::new().load(name).template().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Load | ErrorKind::InvalidInput), "{name:.20?}: {error:.200?}");
        assert!(error.to_string().starts_with("load"), "{error:.200}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named_and_its_kind_says_so() {
    let nowhere = Scratch::new("nowhere.so");
    let error = Process::new().load(&*nowhere).template().unwrap_err();
    check(&error, ErrorKind::Load, &["load ", &nowhere, "No such file or directory"]);
    assert_eq!((error.io_kind(), error.raw_os_error()), (std::io::ErrorKind::NotFound, Some(libc::ENOENT)));
    let error = Process::new().load("libnowhere.so").template().unwrap_err();
    let beside = std::env::current_exe().unwrap().with_file_name("libnowhere.so");
    check(&error, ErrorKind::Load, &["load libnowhere.so: tried ", &beside.display().to_string(), ", then "]);
    assert_eq!(error.io_kind(), std::io::ErrorKind::NotFound);
}
