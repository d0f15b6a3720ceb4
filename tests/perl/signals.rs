//! Signals and children: a template ignores some, and nothing of that is seen by those who prepare it or are forked from it.

use crate::said;
use anyfork::{NO_ARGS, Perl, Process, Template};
use anyfork_tests::{LONG, SOON, all_end_soon, answer, children, lives, signal, stat, status, wait_until};
use rustix::process::Signal;
use std::time::Duration;

/// Children in all the ways that Perl code has them. Their statuses must be right.
const CHILDREN: &str = "
    sub children {
        my @seen = (system ('exit 3;') >> 8, system ('true'), system ('kill -9 $$'), system { 'false' } 'false');
        push @seen, `echo hi; exit 4` eq qq(hi\n) ? $? >> 8 : 'lost';
        defined (my $pid = fork) or die $!;
        exit 5 unless $pid;
        push @seen, waitpid ($pid, 0) == $pid ? $? >> 8 : 'lost';
        open my $pipe, '-|', 'exit 6;';
        close $pipe;
        qq(@seen ) . ($? >> 8)
    }
    sub told { my $socket = shift; print $socket join '; ', @seen, children () }";

const STATUSES: &str = "3 0 9 256 4 5 6";

fn seeing(process: Process<Perl>) -> Process<Perl> {
    process.eval("push @seen, children ()", NO_ARGS)
}

#[test]
fn statuses_of_children_are_right_at_every_stage() {
    let stages = |count| vec![STATUSES; count].join("; ");
    let template = seeing(Perl::new().eval(CHILDREN, NO_ARGS)).template().unwrap();
    let worker = template.fork().run("told").unwrap();
    assert_eq!(said(&worker), stages(2), "in the preparation of the template, and in a worker");
    let worker = seeing(template.fork()).run("told").unwrap();
    assert_eq!(said(&worker), stages(3), "in the preparation of a fork");
    let inner = seeing(seeing(template.fork()).template().unwrap().fork()).template().unwrap();
    let worker = seeing(inner.fork()).run("told").unwrap();
    assert_eq!(said(&worker), stages(5), "in templates of templates");
    let worker = seeing(Perl::new().eval(CHILDREN, NO_ARGS)).run("told").unwrap();
    assert_eq!(said(&worker), stages(2), "in an interpreter itself");
}

/// What all its signals do in a process, which has a handler of its own for some.
const ACTIONS: &str = "
    use POSIX ();
    $SIG{CHLD} = sub { ++$ends; 1 while 0 < waitpid -1, POSIX::WNOHANG () };
    $SIG{TERM} = 'handled';
    $SIG{HUP} = 'IGNORE';
    sub handled { ++$handled }
    sub actions {
        my $socket = shift;
        my $actions = join ' ', map { qq($_=) . (ref $SIG{$_} || $SIG{$_}) } grep defined $SIG{$_}, qw(CHLD HUP TERM);
        kill $_ => $$ for qw(TERM HUP);
        unless (fork) { POSIX::_exit (1) }
        for (1 .. 1000) { last if $ends; select undef, undef, undef, 0.01 }
        print $socket qq($actions; $handled handled, $ends ended)
    }";

#[test]
fn handlers_of_a_preparation_hold_in_forks_and_not_in_the_template() {
    let expected = "CHLD=CODE HUP=IGNORE TERM=main::handled; 1 handled, 1 ended";
    let template = Perl::new().eval(ACTIONS, NO_ARGS).template().unwrap();
    let inner = template.fork().template().unwrap();
    let late = Perl::new().template().unwrap();
    for process in
        [template.fork(), inner.fork(), late.fork().eval(ACTIONS, NO_ARGS), Perl::new().eval(ACTIONS, NO_ARGS)]
    {
        assert_eq!(said(&process.run("actions").unwrap()), expected);
    }
    // All but SIGKILL and SIGSTOP, which nobody can block, and two of the C library.
    assert_eq!(status(template.pid(), "SigBlk"), "fffffffe7ffbfeff");
}

#[test]
fn a_template_that_idles_has_no_zombies() {
    let template = Perl::new().template().unwrap();
    let workers: Vec<_> = (0..20).map(|_| template.fork().run("CORE::exit").unwrap()).collect();
    assert!(wait_until(SOON, || children(template.pid()).is_empty()), "{:?}", children(template.pid()));
    drop(workers);
    // Nor those of its preparation, or of a preparation that failed.
    let code = "unless (fork) { exec 'sleep', '0.2' }";
    let template = Perl::new().eval(code, NO_ARGS).template().unwrap();
    assert_eq!(children(template.pid()).len(), 1);
    assert!(wait_until(LONG, || children(template.pid()).is_empty()), "{:?}", children(template.pid()));
    template.fork().eval("die", NO_ARGS).run("x").unwrap_err();
    assert!(wait_until(SOON, || children(template.pid()).is_empty()), "{:?}", children(template.pid()));
}

#[test]
fn what_a_terminal_sends_is_not_for_templates_but_for_workers() {
    let code = "sub waits { my $socket = shift; print $socket 'end' if <$socket> }";
    let template = Perl::new().eval(code, NO_ARGS).template().unwrap();
    let inner = template.fork().template().unwrap();
    let all = [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::TERM, Signal::HUP, Signal::TTIN, Signal::TTOU];
    for pid in [template.pid(), inner.pid()] {
        all.iter().for_each(|number| signal(pid, *number));
    }
    std::thread::sleep(Duration::from_millis(50));
    for number in [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP] {
        for template in [&template, &inner] {
            assert!(stat(template.pid()).is_some_and(|stat| stat.state != 'T'), "it stopped");
            dies_of(template, number);
        }
    }
    // Before a process is a template it is the user's.
    let preparing = Perl::new().eval("kill INT => $$; sleep 1000", NO_ARGS).template();
    assert!(preparing.unwrap_err().to_string().ends_with("signal: 2 (SIGINT)"));
}

fn dies_of(template: &Template<Perl>, number: Signal) {
    let worker = template.fork().run("waits").unwrap();
    signal(worker.pid(), number);
    all_end_soon(&[worker.pid()]);
    assert!(lives(template.pid()));
}

#[test]
fn a_worker_that_nobody_listens_to_dies_of_sigpipe_as_perl_programs_do() {
    let code = "sub writes { my $socket = shift; <$socket>; syswrite $socket, 'x' for 1 .. 2; sleep 1000 }";
    let worker = Perl::new().eval(code, NO_ARGS).template().unwrap().fork().run("writes").unwrap();
    let pid = worker.pid();
    drop(worker);
    all_end_soon(&[pid]);
}

#[test]
fn an_alarm_of_a_preparation_is_not_inherited() {
    let code = "$SIG{ALRM} = sub { die }; alarm 1000; sub told { my $socket = shift; print $socket alarm 0 }";
    let template = Perl::new().eval(code, NO_ARGS).template().unwrap();
    assert_eq!(answer(&template.fork().blocking_socket(true).run("told").unwrap()), "0");
}
