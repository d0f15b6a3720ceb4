//! What this server cannot tell or do, as `Perl` documents it.

use crate::{PERL, has_pidfds, keeps_statuses, said, with_errors_in};
use anyfork::{Command, ErrorKind, NO_ARGS, Perl, Process, Template};
use anyfork_tests::{LONG, SOON, Scratch, all_end_soon, children, lives, signal, wait_until};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Ends in several ways.
const ENDS: &str = "
    sub returns { 7 }
    sub exits { my ($socket, $code) = @_; exit $code }
    sub dies { $! = 0; die qq(at last\n) }
    sub dies_of_errno { $! = 5; die qq(input and output\n) }
    sub is_killed { kill KILL => $$; sleep 1000 }
    sub waits { my $socket = shift; <$socket> }";

fn ends(perl: Process<Perl>) -> Process<Perl> {
    perl.eval(ENDS, NO_ARGS)
}

/// A worker's function, and the exit status and signal with which it ends.
const EXPECTED: [(&str, Option<i32>, Option<i32>); 5] = [
    ("returns", Some(0), None),
    ("exits", Some(3), None),
    ("dies", Some(255), None),
    ("dies_of_errno", Some(5), None),
    ("is_killed", None, Some(9)),
];

#[test]
fn statuses_of_forks_are_those_that_the_kernel_keeps() {
    let (errors, perl) = with_errors_in("statuses");
    let template = ends(perl).template().unwrap();
    for (function, code, number) in EXPECTED {
        let ended = template.fork().arg(3).run(function).unwrap().wait();
        if keeps_statuses() {
            let status = ended.unwrap();
            assert_eq!((status.code(), status.signal()), (code, number), "{function}");
            assert!(status.usage().is_none(), "{function}: nobody here has waited for it");
        } else {
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::Lost, "{function}");
        }
    }
    assert_eq!(fs::read_to_string(&*errors).unwrap(), "at last\ninput and output\n");
}

#[test]
fn an_interpreter_that_runs_a_function_itself_has_status_and_usage() {
    for (function, code, number) in EXPECTED {
        let (_errors, perl) = with_errors_in("status");
        let status = ends(perl).arg(3).run(function).unwrap().wait().unwrap();
        assert_eq!((status.code(), status.signal()), (code, number), "{function}");
        let usage = status.usage().expect("the default template has waited for it");
        assert!(usage.peak_memory > 0, "{usage:?}");
    }
}

#[test]
fn a_fork_is_signalled_by_its_pidfd_or_not_at_all() {
    let template = ends(Perl::new()).template().unwrap();
    let worker = template.fork().run("waits").unwrap();
    assert_eq!(worker.pidfd().is_some(), has_pidfds());
    let killed = worker.kill();
    if has_pidfds() {
        killed.unwrap();
        all_end_soon(&[worker.pid()]);
    } else {
        assert_eq!(killed.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    // An interpreter itself is a program of the default template, which signals it.
    let worker = ends(Perl::new()).run("waits").unwrap();
    worker.kill().unwrap();
    assert_eq!(worker.wait().unwrap().signal(), Some(9));
}

/// An interpreter in which `fork` fails when so many have been made.
fn forking(times: u32, errors: &Scratch) -> Process<Perl> {
    let mut command = Command::new("perl");
    command.args([format!("-I{PERL}"), format!("-MForks={times}")]).stderr(fs::File::create(&**errors).unwrap());
    ends(Perl::from_command(command))
}

#[test]
fn a_failed_fork_ends_the_server_and_its_workers_go_on() {
    let errors = Scratch::new("forks");
    let template = forking(1, &errors).template().unwrap();
    let worker = template.fork().run("waits").unwrap();
    for _ in 0..2 {
        let error = template.fork().run("waits").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TemplateGone | ErrorKind::ProcessGone), "{error}");
        assert!(wait_until(SOON, || !lives(template.pid())), "the server goes on");
    }
    assert_eq!(template.fork().run("waits").unwrap_err().kind(), ErrorKind::TemplateGone);
    let said = fs::read_to_string(&*errors).unwrap();
    assert!(said.contains("ERROR: AnyEvent::Fork::Serve: fork() failed: Resource temporarily unavailable"), "{said}");
    assert!(lives(worker.pid()));
    worker.socket().write_all(b"\n").unwrap();
    all_end_soon(&[worker.pid()]);
}

/// A preparation that tells its number in a file, and then sleeps.
fn sleeping(process: Process<Perl>, file: &str, seconds: &str) -> Process<Perl> {
    let code = "open my $file, '>', $_[0]; syswrite $file, $$; close $file; select undef, undef, undef, $_[1]";
    process.eval(code, [file, seconds])
}

fn number_in(file: &str) -> u32 {
    let read = || fs::read_to_string(file).ok().and_then(|text| text.parse().ok());
    assert!(wait_until(LONG, || read().is_some()));
    read().unwrap()
}

#[test]
fn a_fork_that_is_given_up_in_its_preparation_goes_on_hanging() {
    let template = Perl::new().template().unwrap();
    let file = Scratch::new("hanging");
    let error = sleeping(template.fork(), &file, "1000").deadline(Duration::from_millis(300)).run("x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    let pid = number_in(&file);
    assert!(!wait_until(SOON, || !lives(pid)), "it was ended: say so in the documentation of Perl");
    signal(pid, Signal::KILL);
    all_end_soon(&[pid]);
    assert!(wait_until(SOON, || children(template.pid()).is_empty()));
}

#[test]
fn an_interpreter_that_is_given_up_in_its_preparation_is_killed() {
    let file = Scratch::new("hanging");
    let error = sleeping(Perl::new(), &file, "1000").deadline(Duration::from_millis(300)).run("x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    all_end_soon(&[number_in(&file)]);
}

#[test]
fn a_fork_that_was_given_up_never_enters_its_function() {
    let template = Perl::new().eval("sub enters { open my $file, '>', $_[1] }", NO_ARGS).template().unwrap();
    let (file, entered) = (Scratch::new("sleeping"), Scratch::new("entered"));
    let process = sleeping(template.fork(), &file, "0.5").arg(&*entered).deadline(Duration::from_millis(100));
    assert_eq!(process.run("enters").unwrap_err().kind(), ErrorKind::Deadline);
    assert!(wait_until(LONG, || children(template.pid()).is_empty()), "it did not end");
    assert!(!fs::exists(&*entered).unwrap());
    drop(template.fork().arg(&*entered).run("enters").unwrap());
    assert!(wait_until(LONG, || fs::exists(&*entered).unwrap()), "the control: others enter it");
}

#[test]
fn end_blocks_and_destructors_of_a_template_run_in_forks_that_end_by_themselves() {
    let log = Scratch::new("ends");
    let code = "
        use POSIX ();
        our $log = shift @_;
        sub note { open my $file, '>>', $log; syswrite $file, qq($_[0] $$\n) }
        sub Guard::DESTROY { main::note ('destructor') }
        our $guard = bless [], 'Guard';
        END { note ('end') }
        sub returns {}
        sub exits { exit }
        sub dies { close STDERR; die }
        sub ends_at_once { POSIX::_exit (0) }";
    let template = Perl::new().eval(code, [&*log]).template().unwrap();
    for function in ["returns", "exits", "dies", "ends_at_once"] {
        let worker = template.fork().run(function).unwrap();
        said(&worker);
        assert!(wait_until(SOON, || !lives(worker.pid())));
        let noted = fs::read_to_string(&*log).unwrap_or_default();
        let runs = function != "ends_at_once";
        let expected = format!("end {0}\ndestructor {0}\n", worker.pid());
        assert_eq!(noted.contains(&expected), runs, "{function}: {noted:?}");
    }
}

/// A main program: it has Perl templates with a worker, and a fork of itself with a copy of all its descriptors.
#[anyfork::entry]
fn has_templates(mut socket: UnixStream, forks: bool) -> Result<(), Box<dyn std::error::Error>> {
    let template = ends(Perl::new()).template()?;
    let inner = template.fork().template()?;
    let worker = inner.fork().run("waits")?;
    // SAFETY: this process has one thread, and its fork only waits for a signal.
    let fork = if forks { unsafe { libc::fork() } } else { 0 };
    if forks && fork == 0 {
        // SAFETY: nothing is touched.
        unsafe { libc::pause() };
    }
    writeln!(socket, "{fork} {} {} {}", template.pid(), inner.pid(), worker.pid())?;
    socket.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Kills one. Its fork, and what it had started.
fn killed_program(forks: bool) -> (u32, Vec<u32>) {
    let program = Process::new().kill_on_drop(true).blocking_socket(true).arg(forks).run(has_templates).unwrap();
    let mut line = String::new();
    BufReader::new(program.socket()).read_line(&mut line).unwrap();
    let mut pids: Vec<u32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    let fork = pids.remove(0);
    assert!(pids.len() == 3 && pids.iter().all(|pid| lives(*pid)), "{line}");
    program.kill().unwrap();
    // Not before: at the end of its socket it would end its templates itself.
    program.wait().unwrap();
    (fork, pids)
}

#[test]
fn templates_and_what_reads_end_of_file_end_when_the_program_is_killed() {
    let (_, pids) = killed_program(false);
    all_end_soon(&pids);
}

/// An interpreter itself is a program of the default template. A template forked from it is bound by its socket alone.
#[test]
fn a_fork_of_the_program_holds_templates_of_templates() {
    let (fork, pids) = killed_program(true);
    std::thread::sleep(SOON);
    let live: Vec<bool> = pids.iter().map(|pid| lives(*pid)).collect();
    signal(fork, Signal::KILL);
    assert_eq!(live, [false, true, true], "say so in the documentation of Perl");
    all_end_soon(&pids);
}

#[test]
fn a_template_with_a_name_shows_it() {
    let template = Perl::new().name("a name").template().unwrap();
    let owner = std::process::id();
    assert_eq!(anyfork_tests::title(template.pid()), format!("{owner} a name"));
    let fork = template.fork().template().unwrap();
    assert_eq!(anyfork_tests::title(fork.pid()), format!("{owner} AnyEvent::Fork template"));
    let worker = fork.fork().name("another").eval(ENDS, NO_ARGS).run("waits").unwrap();
    assert_eq!(anyfork_tests::title(worker.pid()), format!("{owner} another"));
    let worker = fork.fork().eval(ENDS, NO_ARGS).run("waits").unwrap();
    assert_eq!(anyfork_tests::title(worker.pid()), format!("{owner} waits"));
}

#[test]
fn a_server_that_is_stopped_holds_a_start_until_its_deadline() {
    let template: Template<Perl> = ends(Perl::new()).template().unwrap();
    anyfork_tests::stop(template.pid());
    let start = Instant::now();
    let error = template.fork().deadline(Duration::from_millis(300)).run("waits").unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(error.kind(), ErrorKind::Deadline);
    signal(template.pid(), Signal::CONT);
    assert!(template.fork().run("waits").is_ok());
    assert!(wait_until(LONG, || children(template.pid()).is_empty()), "one that was given up was started");
}
