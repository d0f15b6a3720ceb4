//! Interpreters: where they come from, what they are started with, and what can be used in their processes.

use crate::{PERL, said};
use anyfork::{Command, ErrorKind, NO_ARGS, Perl, Process};
use anyfork_tests::{LONG, wait_until};
use std::time::Duration;

const TELL: &str = "sub tell { my $socket = shift; print $socket qq(@_) }";

fn perl(configure: impl FnOnce(&mut Command) -> &mut Command) -> Process<Perl> {
    let mut command = Command::new("perl");
    configure(&mut command);
    Perl::from_command(command)
}

/// Evaluates an expression in a process.
fn value(process: Process<Perl>, expression: &str) -> String {
    let code = format!("our $value = do {{ {expression} }}; sub told {{ my $socket = shift; print $socket $value }}");
    said(&process.eval(code, NO_ARGS).run("told").unwrap_or_else(|error| panic!("{expression}: {error}")))
}

#[test]
fn an_interpreter_has_what_its_command_says() {
    let library = format!("{PERL}/lib");
    let process =
        perl(|command| command.env("PERL5LIB", &library).env("GREETING", "hello").current_dir("/proc").umask(0o27));
    let expression = "require Cwd; join ' ', $ENV{GREETING}, Cwd::getcwd (), sprintf ('%o', umask), grep /tests/, @INC";
    assert_eq!(value(process, expression), format!("hello /proc 27 {library}"));
    let process = perl(|command| command.args(["-I", &library, "-MPOSIX=floor"]));
    assert_eq!(value(process, "floor (1.5) . (grep /tests/, @INC)"), "11");
    let path = String::from_utf8(Command::new("perl").args(["-e", "print $^X"]).output().unwrap().stdout).unwrap();
    assert_eq!(value(Perl::from_command(Command::new(&path)), "$^X"), path);
}

/// Wrapper and server work under each; to what is evaluated they apply.
#[test]
fn pragmas_of_the_command_line_apply_to_what_is_evaluated() {
    for pragmas in
        [&["-Mstrict", "-Mwarnings=FATAL,all"][..], &["-w"], &["-Mutf8"], &["-M5.036"], &["-Mbytes"], &["-Mautodie"]]
    {
        let start = || perl(|command| command.args(pragmas));
        assert_eq!(value(start(), "1 + 1"), "2", "{pragmas:?}");
        let template = start().eval(TELL, NO_ARGS).arg("queued").template().unwrap();
        assert_eq!(value(template.fork(), "join '', AnyEvent::Fork::Serve::run_args ()"), "queued", "{pragmas:?}");
        let inner = template.fork().require("POSIX").call("POSIX::floor", ["1"]).template().unwrap();
        assert_eq!(said(&inner.fork().arg(pragmas[0]).run("tell").unwrap()), format!("queued {}", pragmas[0]));
        assert_eq!(inner.fork().run("nowhere").unwrap_err().kind(), ErrorKind::UnknownEntry);
    }
    let error = perl(|command| command.arg("-Mstrict")).eval("$undeclared = 1", NO_ARGS).template().unwrap_err();
    assert!(error.to_string().contains("Global symbol"), "{error}");
    assert_eq!(value(perl(|command| command.arg("-Mutf8")), "length 'é'"), "1");
}

#[test]
fn strings_are_octets_until_perl_code_decodes_them() {
    let code = "our $told = join ' ', map { utf8::is_utf8 ($_) ? 'characters' : length } @_; sub told { my $s = shift; print $s qq($told), map { utf8::is_utf8 ($_) ? '!' : ' ' . length } @_ }";
    let process = Perl::new().eval(code, ["é", "€", "e"]).args(["é", "€"]);
    assert_eq!(said(&process.run("told").unwrap()), "2 3 1 2 3");
    let code = "utf8::decode (our $text = shift @_); sub told { my $socket = shift; binmode $socket, ':utf8'; print $socket length ($text), $text }";
    assert_eq!(said(&Perl::new().eval(code, ["ça €"]).run("told").unwrap()), "4ça €");
}

#[test]
fn names_of_functions_and_modules_are_octets() {
    let code = "use utf8; sub été { my $socket = shift; print $socket 'here' }";
    let error = Perl::new().eval(code, NO_ARGS).run("été").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownEntry, "{error}");
    let code = "use utf8; sub été { my $socket = shift; print $socket 'here' } no utf8; *{'main::été'} = sub { goto &{qq(\\xe9t\\xe9)} }";
    assert_eq!(said(&Perl::new().eval(code, NO_ARGS).run("été").unwrap()), "here");
}

#[test]
fn anyevent_runs_its_loop_in_a_worker() {
    let code = "
        sub serve {
            my $socket = shift;
            AnyEvent::Util::fh_nonblocking ($socket, 1);
            my ($end, $sum, $ticks) = (AE::cv (), 0, 0);
            my $timer = AE::timer (0, 0.01, sub { ++$ticks });
            my $handle; $handle = AnyEvent::Handle->new (fh => $socket, on_error => sub { $end->send }, on_read => sub {
                shift->push_read (line => sub { $sum += $_[1]; $_[0]->push_write (qq($sum\\n)); $end->send if $sum >= 6 });
            });
            my $child = fork || exec 'true';
            my $watcher = AE::child ($child, sub { $sum += 0 });
            $end->recv;
        }";
    let template =
        Perl::new().require("AnyEvent").require("AnyEvent::Util").require("AnyEvent::Handle").eval(code, NO_ARGS);
    let template = template.template().unwrap();
    let workers: Vec<_> = (0..3).map(|_| template.fork().blocking_socket(true).run("serve").unwrap()).collect();
    for worker in &workers {
        std::io::Write::write_all(&mut worker.socket(), b"1\n2\n3\n").unwrap();
        assert_eq!(said(worker), "1\n3\n6\n");
    }
}

/// The module itself, in a worker: a Perl program that has processes of its own.
#[test]
fn anyevent_fork_can_be_used_in_a_worker() {
    let code = "
        sub uses {
            my $socket = shift;
            AnyEvent::Fork->new->eval ('sub inner { my $s = shift; print $s qq(inner @_) }')->send_arg (7)->run ('inner', my $run = AE::cv ());
            my $inner = $run->recv;
            AnyEvent::Util::fh_nonblocking ($inner, 0);
            print $socket scalar <$inner>;
        }";
    let worker = Perl::new().require("AnyEvent").require("AnyEvent::Fork").eval(code, NO_ARGS).run("uses").unwrap();
    assert_eq!(said(&worker), "inner 7");
}

fn has_threads() -> bool {
    let there =
        Command::new("perl").args(["-e", "use threads"]).stderr(anyfork::Stdio::null()).status().unwrap().success();
    if !there {
        anyfork_tests::skipped("it takes a perl with threads");
    }
    there
}

#[test]
fn a_template_with_threads_is_refused_and_a_worker_may_have_them() {
    if !has_threads() {
        return;
    }
    let code = "use threads; our @threads = map { threads->create (sub { sleep 1000 }) } 1 .. 2";
    // Perl warns of threads that it has at its end.
    let quiet = || perl(|command| command.stderr(anyfork::Stdio::null()));
    let error = quiet().eval(code, NO_ARGS).template().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Threads);
    assert!(error.to_string().starts_with("become a template: it has 3 threads: \""), "{error}");
    // The same in a fork, and threads that have ended do not count.
    let template = quiet().eval("use threads; threads->create (sub { 7 })->join", NO_ARGS).template().unwrap();
    assert_eq!(template.fork().eval(code, NO_ARGS).template().unwrap_err().kind(), ErrorKind::Threads);
    let code = "sub threaded { my $socket = shift; print $socket join ' ', map { $_->join } map { my $n = $_; threads->create (sub { $n * $n }) } 1 .. 3 }";
    assert_eq!(said(&template.fork().eval(code, NO_ARGS).run("threaded").unwrap()), "1 4 9");
    assert!(wait_until(LONG, || anyfork_tests::children(template.pid()).is_empty()));
}

#[test]
fn standard_input_and_output_are_those_of_the_command() {
    let mut output = tempfile();
    let process = perl(|command| command.stdout(output.try_clone().unwrap()).stdin(anyfork::Stdio::null()));
    let template = process
        .eval("print 'half '; sub prints { $| = 1; print qq(and $_[1], ), defined <STDIN> ? 'more' : 'end' }", NO_ARGS);
    let template = template.template().unwrap();
    said(&template.fork().arg("half").deadline(Duration::from_secs(20)).run("prints").unwrap());
    drop(template);
    let mut text = String::new();
    std::io::Seek::rewind(&mut output).unwrap();
    std::io::Read::read_to_string(&mut output, &mut text).unwrap();
    assert_eq!(text, "half and half, end");
}

fn tempfile() -> std::fs::File {
    let path = anyfork_tests::Scratch::new("output");
    std::fs::File::options().read(true).append(true).create_new(true).open(&*path).unwrap()
}
