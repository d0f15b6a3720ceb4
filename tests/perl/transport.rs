//! Large and many inputs on the way to the server, which takes descriptors one by one.

use crate::said;
use anyfork::{NO_ARGS, Perl, Process};
use anyfork_tests::{LONG, Scratch, children, open_files, stop, wait_until};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

/// Tells of each input: of an argument its length and ends, of a descriptor what is in it.
const TELL: &str = "
    sub shown { ref $_[0] ? do { my $file = shift; seek $file, 0, 0; my $line = <$file>; qq(<$line>) } : length ($_[0]) < 20 ? $_[0] : length ($_[0]) . substr ($_[0], 0, 2) . substr $_[0], -2 }
    sub tell { my $socket = shift; print $socket join ' ', map shown ($_), @_ }";

fn perl() -> Process<Perl> {
    Perl::new().eval(TELL, NO_ARGS)
}

/// In a preparation, in a template's queue, and for a fork.
#[test]
fn an_argument_of_five_megabytes() {
    let big = [b"<<", &vec![b'\n'; 5 << 20][..], b">>"].concat();
    let template = perl().arg(&big[..]).template().unwrap();
    let worker = template.fork().arg("small").arg(&big[..]).run("tell").unwrap();
    assert_eq!(said(&worker), "5242884<<>> small 5242884<<>>");
    let process = template.fork().eval("$got = shown ($_[0])", [&big[..]]).eval("$AnyEvent::Fork::x = $got", NO_ARGS);
    let worker = process.eval("sub tells { my $socket = shift; print $socket $got }", NO_ARGS).run("tells").unwrap();
    assert_eq!(said(&worker), "5242884<<>>");
    let code = format!("$got = length q({})", " ".repeat(1 << 20));
    let worker =
        template.fork().eval(code, NO_ARGS).eval("sub tells { my $s = shift; print $s $got }", NO_ARGS).run("tells");
    assert_eq!(said(&worker.unwrap()), "1048576");
}

/// A file with a text of its own.
fn file(directory: &Scratch, text: &str) -> File {
    let path = format!("{}-{text}", &**directory);
    File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    File::open(path).unwrap()
}

#[test]
fn two_hundred_descriptors_among_arguments_keep_their_order() {
    let directory = Scratch::new("descriptors");
    let (mut process, mut template) = (perl(), None);
    let mut expected = Vec::new();
    for number in 0..200 {
        if number == 100 {
            process = template.insert(process.template().unwrap()).fork();
        }
        process = process.fd(file(&directory, &number.to_string()));
        expected.push(format!("<{number}>"));
        if number % 3 == 0 {
            process = process.arg(number).args(["a".repeat(number), String::new()]);
            expected.extend([
                number.to_string(),
                if number < 20 { "a".repeat(number) } else { format!("{number}aaaa") },
                String::new(),
            ]);
        }
    }
    let before = open_files(std::process::id()).len();
    assert_eq!(said(&process.run("tell").unwrap()), expected.join(" "));
    assert!(open_files(std::process::id()).len() < before, "they stay open here");
}

#[test]
fn starts_do_not_block_while_the_server_is_slow() {
    let template = perl().template().unwrap();
    stop(template.pid());
    let start = Instant::now();
    let big = vec![b'x'; 1 << 20];
    let null = File::open("/dev/null").unwrap();
    let starting: Vec<_> = (0..500)
        .map(|number| template.fork().arg(&big[..1 << (number % 21)]).fds([&null; 2]).arg(number).start("tell"))
        .collect();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    anyfork_tests::signal(template.pid(), Signal::CONT);
    for (number, starting) in starting.into_iter().enumerate() {
        let told = said(&starting.wait().unwrap());
        assert!(told.ends_with(&format!(" {number}")), "{told}");
    }
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
}

#[test]
fn starts_that_are_given_up_while_the_server_is_slow_are_never_made() {
    let template =
        Perl::new().eval("sub enters { open my $file, '>>', $_[1]; syswrite $file, 'x' }", NO_ARGS).template().unwrap();
    let log = Scratch::new("entered");
    stop(template.pid());
    for _ in 0..300 {
        drop(template.fork().arg(&*log).start("enters"));
    }
    let last = template.fork().arg(&*log).start("enters");
    anyfork_tests::signal(template.pid(), Signal::CONT);
    said(&last.wait().unwrap());
    assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    assert_eq!(fs::read_to_string(&*log).unwrap(), "x");
}

#[test]
fn templates_of_templates_hand_on_what_they_have_in_order() {
    let directory = Scratch::new("nested");
    let mut template = perl().arg(0).template().unwrap();
    for level in 1..5 {
        let process =
            template.fork().eval("push @levels, @_", [level]).fd(file(&directory, &level.to_string())).arg(level);
        template = process.template().unwrap();
    }
    let worker =
        template.fork().arg("end").eval("sub tells { my ($socket) = @_; &tell; print $socket qq(: @levels) }", NO_ARGS);
    assert_eq!(said(&worker.run("tells").unwrap()), "0 <1> 1 <2> 2 <3> 3 <4> 4 end: 1 2 3 4");
}

#[test]
fn many_threads_fork_from_one_template() {
    let template = perl().template().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let template = &template;
            scope.spawn(move || {
                for number in 0..25 {
                    let worker = template.fork().arg(thread).arg(number).run("tell").unwrap();
                    assert_eq!(said(&worker), format!("{thread} {number}"));
                }
            });
        }
    });
}
