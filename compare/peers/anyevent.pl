# AnyEvent::Fork: measures what it reads from standard input, a line each: case, system, in flight, milliseconds, rate.
# Argument: megabytes resident.
use strict;
use warnings;
use EV;
use AnyEvent;
use AnyEvent::Fork;
use Time::HiRes qw(time sleep);

$| = 1;
my $prepared = <<'EOF';
sub finish { }
sub first { syswrite $_[0], "1" }
sub idle { my $socket = $_[0]; syswrite $socket, "$$ " . getppid; sysread $socket, my $byte, 1 }
EOF

my ($mib) = @ARGV;
my $ballast = '';
my $missing = ($mib << 20) - resident();
# One buffer, filled with zeroes.
vec($ballast, $missing - 1, 8) = 1 if $missing > 0;

# Made when it is needed first.
my ($template, %loaded);

while (my $line = <STDIN>) {
    my ($case, undef, $in_flight, $milliseconds, $rate) = split ' ', $line;
    my $answer = eval { answer($case, $in_flight, $milliseconds / 1000, $rate) };
    $answer = "failed " . ($@ =~ s/\n/ /gr) unless defined $answer;
    print "$answer\n";
}

sub answer {
    my ($case, $in_flight, $length, $rate) = @_;
    $template ||= AnyEvent::Fork->new->eval($prepared);
    my $fork = sub { $template->fork };
    return repeat($length, $in_flight, $fork) if $case =~ m{^run};
    return repeat($length, $in_flight, sub { AnyEvent::Fork->new_exec->eval($prepared) }) if $case eq 'exec';
    return latencies($length, $rate, \&first_byte) if $case eq 'first-byte';
    return latencies($length, 0, \&caller_blocked) if $case eq 'caller-blocked';
    return live($length, $in_flight) if $case eq 'live';
    return memory() if $case eq 'idle-memory';
    if ($case =~ m{^preload/(\d+)$}) {
        my $loaded = $loaded{$1} ||= AnyEvent::Fork->new->eval($prepared)->eval('vec(our $memory, ($_[0] << 20) - 1, 8) = 1', $1);
        return repeat($length, $in_flight, sub { $loaded->fork });
    }
    return 'absent';
}

# So many of something at once, until end-of-file is seen.
sub batch {
    my ($size, $process) = @_;
    my $all = AE::cv;
    for (1 .. $size) {
        $all->begin;
        $process->()->run(finish => sub { see_end($_[0], sub { $all->end }) });
    }
    $all->recv;
    # Those that were exec'd are children of this process.
    1 while waitpid(-1, 1) > 0;
}

sub see_end {
    my ($socket, $then) = @_;
    my $watcher;
    $watcher = AE::io $socket, 0, sub {
        sysread $socket, my $byte, 1;
        undef $watcher;
        $then->();
    };
}

sub repeat {
    my ($length, $in_flight, $process) = @_;
    batch(1, $process);
    my ($start, $count) = (time, 0);
    while ($count < 3 || time - $start < $length) {
        batch($in_flight, $process);
        $count += $in_flight;
    }
    return 'rate ' . $count / (time - $start);
}

# Each returns the socket of a worker that ends.
sub first_byte {
    my $came = AE::cv;
    $template->fork->run(first => sub {
        my ($socket) = @_;
        see_end($socket, sub { $came->send($socket) });
    });
    return $came->recv;
}

sub caller_blocked {
    my $there = AE::cv;
    $template->fork->run(finish => sub { $there->send($_[0]) });
    return sub { $there->recv };
}

sub end {
    my ($socket) = @_;
    $socket = $socket->() if ref $socket eq 'CODE';
    my $ended = AE::cv;
    see_end($socket, $ended);
    $ended->recv;
}

# One after another, or each due at its time, which runs from when it was due.
sub latencies {
    my ($length, $rate, $once) = @_;
    end($once->());
    my ($start, @times) = (time);
    my $count = $rate > 0 ? int($length * $rate) : 0;
    $count = 3 if $count < 3;
    while ($rate > 0 ? @times < $count : @times < 3 || time - $start < $length) {
        my $due = $rate > 0 ? $start + @times / $rate : time;
        my $left = $due - time - 0.00015;
        sleep $left if $left > 0;
        1 while time < $due;
        my $socket = $once->();
        push @times, int((time - $due) * 1e9);
        end($socket);
        last if @times >= 3 && time - $start > 4 * $length;
    }
    return join ' ', 'latencies', @times / (time - $start), @times;
}

# Sockets of so many workers that wait, and what they say.
sub waiting {
    my ($count) = @_;
    my $all = AE::cv;
    my @workers;
    for (1 .. $count) {
        $all->begin;
        $template->fork->run(idle => sub {
            my ($socket) = @_;
            my $watcher;
            $watcher = AE::io $socket, 0, sub {
                sysread $socket, my $said, 100;
                undef $watcher;
                push @workers, [$socket, split ' ', $said];
                $all->end;
            };
        });
        # Not all at once: each has two sockets until it runs.
        $all->recv, $all = AE::cv if $_ % 64 == 0;
    }
    $all->begin;
    $all->end;
    $all->recv;
    return @workers;
}

sub live {
    my ($length, $count) = @_;
    my @workers = waiting($count - 1);
    my $answer = repeat($length, 1, sub { $template->fork });
    undef @workers;
    sleep 0.0003 * $count;
    return $answer;
}

sub memory {
    my ($worker) = waiting(1);
    my (undef, $pid, $parent) = @$worker;
    return join ' ', 'memory', map { figures($_) } $parent, $pid;
}

sub figures {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/smaps_rollup" or return ('-', '-');
    my ($private, $proportional) = (0, 0);
    while (<$file>) {
        $private += $1 if /^Private_(?:Clean|Dirty):\s*(\d+)/;
        $proportional = $1 if /^Pss:\s*(\d+)/;
    }
    return ($private, $proportional);
}

sub resident {
    open my $file, '<', '/proc/self/status' or return 0;
    while (<$file>) { return $1 << 10 if /^VmRSS:\s*(\d+)/ }
    return 0;
}
