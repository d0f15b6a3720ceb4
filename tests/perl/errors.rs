//! Errors of Perl code: what they say, to the caller and on standard error.

use crate::{PERL, said, server_path, with_errors_in};
use anyfork::{Command, Error, ErrorKind, NO_ARGS, Perl, Process, Template};
use anyfork_tests::{LONG, Scratch, children, wait_until};
use std::fs;
use std::io::ErrorKind as Io;

/// One template for all failures of a test, which must survive them all.
struct Fails {
    template: Template<Perl>,
    errors: Scratch,
}

impl Fails {
    fn new() -> Self {
        let (errors, perl) = with_errors_in("errors");
        let template = perl.eval("unshift @INC, shift @_; sub runs {}", [format!("{PERL}/lib")]).template().unwrap();
        Fails { template, errors }
    }

    /// The error of a fork that is prepared by this, whether it then is to run a function or to be a template.
    fn of(&self, prepare: impl Fn(Process<Perl>) -> Process<Perl>) -> Error {
        let as_template = prepare(self.template.fork()).template().unwrap_err();
        let error = prepare(self.template.fork()).run("runs").unwrap_err();
        assert_eq!(error.kind(), as_template.kind(), "{error} {as_template}");
        error
    }

    fn evaluating(&self, code: &str) -> String {
        let error = self.of(|process| process.eval(code, NO_ARGS));
        assert_eq!(error.kind(), ErrorKind::Preparation, "{error}");
        error.to_string()
    }

    fn requiring(&self, module: &str) -> Error {
        let error = self.of(|process| process.require(module));
        assert_eq!(error.kind(), ErrorKind::Load, "{error}");
        error
    }
}

/// In the end the template goes on, no process is left, and standard error has nothing that the errors say.
impl Drop for Fails {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        drop(self.template.fork().run("runs").unwrap());
        assert!(wait_until(LONG, || children(self.template.pid()).is_empty()), "a process stayed");
        assert_eq!(fs::read_to_string(&*self.errors).unwrap(), "");
    }
}

#[test]
fn an_interpreter_that_is_not_there() {
    let error = Perl::from_command(Command::new("/nowhere/perl")).run("x").unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::System, Io::NotFound), "{error}");
    assert!(error.to_string().contains("/nowhere/perl"), "{error}");
    let error = Perl::from_command(Command::new("/bin/true")).run("x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProcessGone, "{error}");
    assert!(error.to_string().contains("exit status: 0"), "{error}");
}

#[test]
fn a_perl_without_anyevent_fork() {
    let mut broken = Command::new("perl");
    broken.env("PERL5LIB", format!("{PERL}/broken"));
    let mut missing = Command::new("perl");
    missing.arg(format!("-M-lib={}", server_path().strip_suffix("/AnyEvent/Fork/Serve.pm").unwrap()));
    for (command, why) in
        [(broken, "AnyEvent::Fork::Serve is broken here"), (missing, "Can't locate AnyEvent/Fork/Serve.pm")]
    {
        let error = Perl::from_command(command).template().unwrap_err();
        let text = error.to_string();
        assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Load, Io::NotFound), "{text}");
        assert!(text.starts_with("require AnyEvent::Fork::Serve: "), "{text}");
        assert!(text.contains(why) && text.contains("(Debian: libanyevent-fork-perl, libio-fdpass-perl)"), "{text}");
    }
}

#[test]
fn code_that_does_not_compile_or_dies() {
    let fails = Fails::new();
    let text = fails.evaluating("my $x = ;");
    assert!(text.starts_with("eval: syntax error at (eval "), "{text}");
    assert!(text.contains(") line 1"), "{text}");
    assert_eq!(fails.evaluating("die qq(no more\n)"), "eval: no more");
    let text = fails.evaluating("\n\nsub f { die 'deep' } f ()");
    assert!(text.starts_with("eval: deep at (eval ") && text.ends_with(") line 3."), "{text}");
    let text = fails.evaluating("use strict; $undeclared = 1");
    assert!(text.starts_with("eval: Global symbol \"$undeclared\" requires explicit package name"), "{text}");
    assert!(fails.evaluating("use No::Such::Module").starts_with("eval: Can't locate No/Such/Module.pm in @INC"));
    assert_eq!(
        fails.evaluating("local $SIG{ALRM} = sub { die qq(too late\n) }; alarm 1; sleep 1000"),
        "eval: too late"
    );
}

#[test]
fn objects_as_errors() {
    let fails = Fails::new();
    let text = fails.evaluating("die { code => 1 }");
    assert!(text.starts_with("eval: HASH(0x"), "{text}");
    let class =
        "package Shown; use overload '\"\"' => sub { 'shown ' . $_[0][0] }, bool => sub { $_[0][1] }, fallback => 1;";
    assert_eq!(fails.evaluating(&format!("{class} die bless ['true', 1], 'Shown'")), "eval: shown true");
    assert_eq!(fails.evaluating(&format!("{class} die bless ['false', 0], 'Shown'")), "eval: shown false");
}

#[test]
fn messages_of_all_octets_and_lengths() {
    let fails = Fails::new();
    assert_eq!(fails.evaluating("die qq(\\x{263a} \\xe9\\n)"), "eval: ☺ é");
    assert_eq!(fails.evaluating("die qq(\\xe9\\n)"), "eval: \u{fffd}");
    assert_eq!(fails.evaluating("die qq(é\\n)"), "eval: é");
    assert_eq!(fails.evaluating("die qq(a\\0b\\nc\\n)"), "eval: a\0b\nc");
    let text = fails.evaluating("die 'x' . '\u{20ac}' x 1_000_000");
    assert!(text.len() > 60_000 && text.len() < 66_000 && text.ends_with('€'), "{}", text.len());
}

#[test]
fn functions_that_are_called() {
    let fails = Fails::new();
    let error = fails.of(|process| process.eval("sub f { die qq(no $_[1]\n) }", NO_ARGS).call("f", ["a", "b"]));
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Preparation, "call f: no b"));
    let error = fails.of(|process| process.call("No::where", NO_ARGS));
    let expected = "entry No::where: no function of this name is defined";
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::UnknownEntry, expected));
    let code = "package M; sub new { our @got = @_ } package main; sub tell { my $s = shift; print $s qq(@M::got) }";
    let worker = fails.template.fork().eval(code, NO_ARGS).call("M::new", ["a", "b"]).blocking_socket(true).run("tell");
    assert_eq!(said(&worker.unwrap()), "a b");
}

#[test]
fn modules_that_cannot_be_loaded() {
    let fails = Fails::new();
    let error = fails.requiring("No::Such");
    let text = error.to_string();
    assert_eq!(error.io_kind(), Io::NotFound, "{text}");
    assert!(text.starts_with("require No::Such: Can't locate No/Such.pm in @INC"), "{text}");
    for (module, why) in [
        ("Dies", "require Dies: not today at "),
        ("False", "require False: False.pm did not return a true value at "),
        ("Broken", "require Broken: syntax error at "),
        ("Needs", "require Needs: Can't locate No/Such.pm in @INC"),
    ] {
        let error = fails.requiring(module);
        assert!(error.to_string().starts_with(why), "{error}");
        assert_eq!((error.io_kind(), error.raw_os_error()), (Io::Other, None), "{module} is there");
    }
}

#[test]
fn code_that_ends_the_process() {
    let fails = Fails::new();
    for code in ["exit 3", "kill KILL => $$", "last", "require POSIX; POSIX::_exit (0)", "exec 'true'"] {
        let error = fails.of(|process| process.eval(code, NO_ARGS));
        assert_eq!(error.kind(), ErrorKind::ProcessGone, "{code}: {error}");
    }
    // Of an interpreter itself the default template knows how.
    let error = Perl::new().eval("exit 3", NO_ARGS).run("x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProcessGone);
    assert!(error.to_string().ends_with("exit status: 3"), "{error}");
}

#[test]
fn functions_that_are_not_there() {
    let fails = Fails::new();
    for name in ["nowhere", "main::nowhere", "No::Such::function", "CORE::nonsense", "::", "", "x\0y", "runs ", "&runs"]
    {
        let error = fails.template.fork().run(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownEntry, "{name:?}: {error}");
        assert!(error.to_string().ends_with(&format!("{name}: no function of this name is defined")), "{error}");
    }
    for name in ["main::runs", "::runs", "main'runs", "CORE::exit"] {
        let worker = fails.template.fork().run(name);
        drop(worker.unwrap_or_else(|error| panic!("{name}: {error}")));
    }
}

#[test]
fn functions_that_are_made_when_they_are_called() {
    let code = "package Lazy; sub AUTOLOAD { my $socket = shift; print $socket $AUTOLOAD }";
    let worker = Perl::new().eval(code, NO_ARGS).blocking_socket(true).run("Lazy::any").unwrap();
    assert_eq!(said(&worker), "Lazy::any");
}

#[test]
fn the_first_of_several_errors_is_told_and_nothing_is_done_after_it() {
    let fails = Fails::new();
    let file = Scratch::new("after");
    let error = fails.of(|process| {
        let process = process.eval("die qq(first\n)", NO_ARGS).require("No::Such").call("nowhere", NO_ARGS);
        process.eval("open my $file, '>', shift @_", [&*file])
    });
    assert_eq!(error.to_string(), "eval: first");
    assert!(!fs::exists(&*file).unwrap());
}

#[test]
fn warnings_are_no_errors() {
    let (errors, perl) = with_errors_in("warnings");
    let process = perl.eval("warn qq(careful\n); $@ = 'left from before'; eval { die 'inside' }", NO_ARGS);
    let worker = process.eval("sub f { warn qq(again\n) }", NO_ARGS).run("f").unwrap();
    assert!(worker.wait().unwrap().success());
    assert_eq!(fs::read_to_string(&*errors).unwrap(), "careful\nagain\n");
}
