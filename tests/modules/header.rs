//! `anyfork.h` compiles in the dialects that its users have, without a warning.

use crate::libraries::compile;
use crate::{check, says};
use anyfork::{ErrorKind, NO_ARGS, Process};
use anyfork_tests::Scratch;
use std::env;
use std::ffi::OsString;

fn compiler(variable: &str, otherwise: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| otherwise.into())
}

#[test]
fn as_c_of_each_standard() {
    let strict = ["-pedantic", "-Wconversion", "-Wshadow", "-Wmissing-prototypes", "-D_POSIX_C_SOURCE=200809L"];
    for standard in ["-std=c99", "-std=gnu99", "-std=c11", "-std=gnu17"] {
        let library = Scratch::new("plain.so");
        let flags = [&strict[..], &[standard]].concat();
        assert!(compile(compiler("CC", "cc"), "plain.c", &flags, &library), "{standard}");
        assert_eq!(says(Process::new().load(&*library).call("plain::keep", ["x"]), "plain::kept"), "x", "{standard}");
    }
}

#[test]
fn as_cxx() {
    let cxx = compiler("CXX", "c++");
    if std::process::Command::new(&cxx).arg("--version").output().is_err() {
        return anyfork_tests::skipped("it takes a compiler for C++, as `c++` or in the variable CXX");
    }
    for standard in ["-std=c++11", "-std=c++17", "-std=c++20"] {
        let library = Scratch::new("cxx.so");
        let flags = ["-pedantic", standard];
        assert!(compile(cxx.clone(), "cxx.cc", &flags, &library), "{standard}");
        let template = Process::new().load(&*library).template().unwrap();
        assert_eq!(says(template.fork().args(["a", "", "b"]), "cxx::answer"), "ab", "{standard}");
        let error = template.fork().call("cxx::fails", NO_ARGS).template().unwrap_err();
        check(&error, ErrorKind::Preparation, &["call cxx::fails: thrown and caught"]);
    }
}
