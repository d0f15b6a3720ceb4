# AnyEvent::Fork: new->run of a function that returns at once, until end-of-file is seen. Arguments: how many, how many in flight.
# Prints creations per second.
use strict;
use warnings;
use AnyEvent;
use AnyEvent::Fork;
use Time::HiRes ();

my ($count, $in_flight) = @ARGV;
my $template = AnyEvent::Fork->new->eval('sub finish { }');

sub batch {
    my ($size) = @_;
    my $all = AE::cv;
    my @watchers;
    for (1 .. $size) {
        $all->begin;
        $template->fork->run(finish => sub {
            my ($socket) = @_;
            my $watcher;
            $watcher = AE::io $socket, 0, sub {
                sysread $socket, my $byte, 1;
                undef $watcher;
                $all->end;
            };
        });
    }
    $all->recv;
}

batch(1);
my $start = Time::HiRes::time;
batch($in_flight) for 1 .. $count / $in_flight;
printf "%.0f\n", $count / (Time::HiRes::time - $start);
