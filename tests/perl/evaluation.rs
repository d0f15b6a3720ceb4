//! What evaluated code and functions find in a process: the same as with the original client.

use crate::{PERL, said, wrapper_and_server};
use anyfork::{Command, NO_ARGS, Perl, Process, Stdio, Template};
use anyfork_tests::{Scratch, answer};
use std::fs::File;
use std::io::{Read, Seek, Write};

/// What is evaluated, one after the other, and what the function that is run then writes.
type Case = (&'static [&'static str], &'static str);

/// Puts the number of a process, and those that count evaluations and sockets, out of a text.
const RESULT: &str = r#"my $shown = defined $result ? "$result" : "undef"; $shown =~ s/\d\d+/N/g; $shown =~ s/\(eval \d+\)/(eval)/g; $shown"#;

const SHOWN: &str = "map { ref || (defined ? qq([$_]) . (utf8::is_utf8 ($_) ? 'U' : '') : 'undef') }";

/// In evaluated code.
const EVALUATED: &[&str] = &[
    // Its arguments, and nothing else.
    "$result = join '|', map { utf8::is_utf8 ($_) ? qq(U$_) : qq(B$_) } @_",
    "push @_, 'more'; $_[0] = 1; $result = qq(@_)",
    "sub count { scalar @_ } $result = &count . count ()",
    "$result = shift @ARGV; $result = scalar @ARGV",
    // Where it is.
    "$result = __PACKAGE__",
    "$result = __FILE__ . __LINE__",
    "$result = defined wantarray ? 'a value' : 'nothing'",
    "$result = $0",
    "$result = $$ == readlink '/proc/self'",
    "$result = $$ == $pool ? 'the pool' : getppid == $pool ? 'its child' : 'elsewhere'",
    "$result = 'before'; return; $result = 'after'",
    // What holds in it.
    "$undeclared = 3; $name = 'undeclared'; $result = $$name + bareword",
    "BEGIN { $result = $^H } $result .= join ',', %^H",
    "my $warnings = 0; local $SIG{__WARN__} = sub { ++$warnings }; my $text = 'x' . undef; my $x; my $x; $result = $warnings . $^W",
    "$result = eval q(say 1; 1) || eval q(state $x; 1) ? 'features' : 'none'",
    "$result = length 'é'",
    "$result = join ',', map { defined ? unpack 'H*', $_ : 'undef' } $_, $/, $\\, $,, $\", $;, $|, $^F, $@, $^P, $^T > 1",
    "$result = join ',', map { defined fileno $_ ? fileno $_ : 'closed' } *STDIN, *STDOUT, *STDERR",
    "$result = join ',', map { qq($_=$SIG{$_}) } grep { defined $SIG{$_} } sort keys %SIG",
    "open my $status, '<', '/proc/self/status'; $result = join '', grep { /^Sig|^Shd|^NoNewPrivs|^Threads/ && !/SigQ/ } <$status>",
    "opendir my $dir, '/proc/self/fd'; $result = join ',', sort grep { defined && !m(/proc) } map { $_ > 2 ? readlink qq(/proc/self/fd/$_) : undef } readdir $dir",
    // What it does not see.
    "$result = join ',', map { defined $$_ ? $_ : () } qw(master cmd fd len buf error socket function module text)",
    // Other processes.
    "$result = system ('exit 3;') . ',' . system ('kill -9 $$') . ',' . `echo hi` . $?",
    "$result = defined (my $pid = fork) || die; exit 5 if !$pid; waitpid $pid, 0; $result = $? >> 8",
    "my $pid = open my $pipe, '-|', 'echo hi; exit 2'; my $line = <$pipe>; close $pipe; $result = $line . ($? >> 8)",
    // What ends it.
    "die 'here'",
    "die { code => 1 }",
    "last",
    "exit",
    "this is no (Perl",
    "require No::Such::Module",
    // What was sent.
    "$result = join '|', map { ref || $_ } AnyEvent::Fork::Serve::run_args",
    "@AnyEvent::Fork::Serve::kept = AnyEvent::Fork::Serve::run_args; $result = AnyEvent::Fork::Serve::run_args . '?'",
];

/// What one evaluation leaves for the next one.
const LEFT: &[&[&str]] = &[
    &["my $lexical = 1; our $global = 2", "$result = defined $lexical ? 'lexical' : $global"],
    &["package Other; sub f { 1 }", "$result = __PACKAGE__ . (defined &Other::f)"],
    &["use strict; use warnings; use utf8; use integer", "$undeclared = 1; $result = length ('é') . 7 / 2 . undef"],
    &["chdir '/proc'; umask 077", "use Cwd; $result = getcwd . sprintf '%o', umask"],
    &["$SIG{ALRM} = sub { $result = 'alarm' }", "kill ALRM => $$"],
    &[
        "$SIG{CHLD} = sub { ++$ends; 1 while 0 < waitpid -1, 1 }",
        "system 'exit 3;'; $result = $SIG{CHLD} ? 'kept' : 'lost'",
    ],
    &["$0 = 'mine'", "$result = $0"],
    &["$_ = 'topic'; $, = '-'; $@ = 'error'", "$result = qq($_$,$@)"],
    &["BEGIN { *CORE::GLOBAL::sleep = sub { 'no sleep' } }", "$result = sleep 1000"],
    &["sub AUTOLOAD { $result = $AUTOLOAD }", "nowhere (1)"],
];

/// In the function that is run.
const RUN: &[Case] = &[
    (&[], "join '|', MAP @_"),
    (&["@kept = AnyEvent::Fork::Serve::run_args"], "join '|', MAP (@_, '/', @kept)"),
    (&["(undef, undef, $kept) = AnyEvent::Fork::Serve::run_args"], "(-c $kept) . @_"),
    (&[], "ref ($socket) . (fileno ($socket) > 2) . (-S $socket)"),
    (&[], "use Fcntl; fcntl ($socket, F_GETFD, 0) . (fcntl ($socket, F_GETFL, 0) & O_NONBLOCK)"),
    (&[], "use Fcntl; fcntl ($_[2], F_GETFD, 0)"),
    (&[], "$0 =~ /^\\d+ tell$/"),
    (&[], "__PACKAGE__ . (defined wantarray ? 'a value' : 'nothing') . $^W . @ARGV . (defined $_ ? 'topic' : '')"),
    (&[], "defined &AnyEvent::Fork::Serve::run_args ? 'there' : 'gone'"),
    (&[], "my ($n, @frames) = 0; while (my @frame = caller $n++) { push @frames, @frame[0, 3] } qq(@frames)"),
    (&[], "join ',', map { qq($_=$SIG{$_}) } grep { defined $SIG{$_} } sort keys %SIG"),
    (&[], "open my $status, '<', '/proc/self/status'; grep { /^Sig|^Threads/ && !/SigQ/ } <$status>"),
    (
        &[],
        "opendir my $dir, '/proc/self/fd'; join ',', map { s/\\d\\d+/N/; $_ } sort grep { defined && !m(/proc) } map { $_ > 2 ? readlink qq(/proc/self/fd/$_) : undef } readdir $dir",
    ),
    (&[], "system ('exit 3;') . ',' . `echo hi` . $?"),
    (&[], "my $pid = fork; exit 5 if !$pid; waitpid $pid, 0; $? >> 8"),
    (&["$SIG{CHLD} = sub { ++$ends }"], "system 'exit 3;'; $? . $ends . ref $SIG{CHLD}"),
    (&["$SIG{CHLD} = 'IGNORE'"], "system ('exit 3;') . $SIG{CHLD}"),
];

fn cases() -> Vec<(Vec<&'static str>, String)> {
    let evaluated = EVALUATED.iter().map(|code| (vec![*code], RESULT.to_owned()));
    let left = LEFT.iter().map(|codes| (codes.to_vec(), RESULT.to_owned()));
    let run = RUN.iter().map(|(codes, body)| (codes.to_vec(), body.replace("MAP", SHOWN)));
    evaluated.chain(left).chain(run).collect()
}

/// By the original client.
fn original(mode: &str) -> Vec<String> {
    let mut input = tempfile();
    for (codes, body) in cases() {
        codes.iter().chain([&&*body]).for_each(|code| write!(input, "{code}\x1e").unwrap());
        input.write_all(b"\x1d").unwrap();
    }
    input.rewind().unwrap();
    // Not by std, which would hand on the descriptors and ignored signals that this test has.
    let mut command = Command::new("perl");
    command.arg(format!("{PERL}/original.pl")).arg(mode).stdin(input);
    // It says there what this crate says by its errors.
    let output = command.stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    let mut told: Vec<String> = output.stdout.split(|octet| *octet == 0x1d).map(lossy).collect();
    assert_eq!(told.pop().as_deref(), Some(""));
    told
}

/// A file that nobody else sees.
fn tempfile() -> File {
    let path = Scratch::new("cases");
    File::options().read(true).write(true).create_new(true).open(&*path).unwrap()
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// By this crate. Nothing, if the process never gets to it.
fn ours(mut process: Process<Perl>, codes: &[&str], body: &str) -> String {
    let file = File::open("/dev/null").unwrap();
    process = process.arg("first").fd(&file).args(["second", ""]);
    for code in codes {
        process = process.eval(code, [&b"a\xff"[..], b"", b"c d"]);
    }
    process = process.eval(format!("sub tell {{ my $socket = shift; print $socket do {{ {body} }} }}"), NO_ARGS);
    let Ok(worker) = process.blocking_socket(true).run("tell") else { return String::new() };
    let mut told = Vec::new();
    worker.socket().read_to_end(&mut told).unwrap();
    lossy(&told)
}

fn compare(mode: &str, process: impl Fn() -> Process<Perl>) {
    let original = original(mode);
    assert_eq!(original.len(), cases().len());
    let mut different = Vec::new();
    for (theirs, (codes, body)) in original.iter().zip(cases()) {
        let ours = ours(process(), &codes, &body);
        if ours != *theirs {
            different.push(format!("{codes:?} {body:?}\n original {theirs:?}\n ours     {ours:?}"));
        }
    }
    assert!(different.is_empty(), "{} of {}:\n{}", different.len(), original.len(), different.join("\n"));
}

/// As the original's are: by `exec` of the interpreter.
fn perl() -> Process<Perl> {
    let mut command = Command::new("perl");
    command.stderr(Stdio::null());
    Perl::from_command(command)
}

fn pool() -> Template<Perl> {
    perl().eval("$pool = $$", NO_ARGS).arg("of the pool").template().unwrap()
}

#[test]
fn a_new_interpreter_is_as_with_the_original_client() {
    compare("exec", || perl().arg("of the pool"));
}

#[test]
fn a_fork_is_as_with_the_original_client() {
    let pool = pool();
    compare("fork", || pool.fork());
}

#[test]
fn a_fork_of_a_template_of_a_template_is_too() {
    let inner = perl().arg("of the pool").template().unwrap().fork().eval("$pool = $$", NO_ARGS).template().unwrap();
    compare("fork", || inner.fork());
}

/// The one thing that tells evaluated code who has called it.
#[test]
fn caller_shows_the_wrapper_to_evaluated_code() {
    let code = "my $n; while (my @frame = caller $n++) { $result .= qq($frame[3] ) }";
    let expected = "(eval) anyfork::run_text anyfork::evaluate (eval) AnyEvent::Fork::Serve::serve ";
    assert_eq!(ours(perl(), &[code], "$result"), expected);
}

#[test]
fn run_args_are_gone_in_a_function_also_if_its_fork_evaluates_nothing() {
    let code =
        "sub tell { my $socket = shift; print $socket defined &AnyEvent::Fork::Serve::run_args ? 'there' : 'gone' }";
    let template = perl().eval(code, NO_ARGS).template().unwrap();
    assert_eq!(said(&template.fork().run("tell").unwrap()), "gone");
    assert_eq!(said(&template.fork().template().unwrap().fork().run("tell").unwrap()), "gone");
}

/// The names of lexical variables in Perl code.
fn lexicals(code: &str) -> Vec<String> {
    let declared = code.split("my ").skip(1).map(|rest| rest.split([';', '=']).next().unwrap());
    let words = declared.flat_map(|list| list.split([' ', ',', '(', ')']));
    let mut names: Vec<String> = words.filter(|word| word.starts_with(['$', '@'])).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// The original's code sees those of its server ("is allowed to access @_ and nothing else", a comment there says). Here they do not exist.
#[test]
fn evaluated_code_sees_no_lexical_variable_of_wrapper_or_server() {
    let names = lexicals(&wrapper_and_server());
    assert!(["$socket", "$master", "@arg", "$buf", "$error"].iter().all(|name| names.iter().any(|it| it == name)));
    // Under strict only a lexical variable may go by its bare name.
    let code = "our $seen = join ' ', grep { eval qq(use strict; $_; 1) } @_";
    let tell = "sub tell { my $socket = shift; print $socket qq(seen: $seen) }";
    for process in [perl(), pool().fork()] {
        let worker = process.eval(code, &names).eval(tell, NO_ARGS).blocking_socket(true).run("tell").unwrap();
        assert_eq!(answer(&worker), "seen: ");
    }
    let control = format!("my $socket; {code}");
    let worker = perl().eval(control, &names).eval(tell, NO_ARGS).blocking_socket(true).run("tell").unwrap();
    assert_eq!(answer(&worker), "seen: $socket");
}
