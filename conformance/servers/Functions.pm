package Functions;

# The functions in Perl. See functions.rs for what each does.

use strict;
use warnings;

use constant LINGER => 60;

my @kept;

sub identity {
   my @info = stat shift;
   sprintf "%o:%d:%d", $info[2] >> 12, @info[0, 1]
}

sub send_all {
   my ($socket, $octets) = @_;
   my $at = 0;
   while ($at < length $octets) {
      my $sent = syswrite $socket, $octets, length ($octets) - $at, $at;
      defined $sent or die "write to the socket: $!";
      $at += $sent;
   }
}

sub read_all {
   my $socket = shift;
   my $text = "";
   while () {
      my $count = sysread $socket, $text, 65536, length $text;
      defined $count or die "read from the socket: $!";
      return $text unless $count;
   }
}

sub tell_input {
   my ($socket, $kind, $octets) = @_;
   send_all $socket, pack "a V/a*", $kind, $octets;
}

sub note {
   my ($path, $text) = @_;
   my $temporary = "$path.$$";
   open my $file, ">", $temporary or die "$temporary: $!";
   print $file $text;
   close $file or die "$temporary: $!";
   rename $temporary, $path or die "$path: $!";
}

sub linger {
   my $until = time + LINGER;
   sleep 1 while time < $until;
}

sub report {
   my ($socket, @inputs) = @_;
   for my $input (@inputs) {
      ref $input ? tell_input ($socket, "f", identity ($input)) : tell_input ($socket, "a", $input);
   }
}

sub park {
   my $socket = shift;
   send_all $socket, identity ($socket) . "\n";
   my $code = "";
   sysread $socket, $code, 1;
   exit (length $code ? ord $code : 0);
}

sub exit_with {
   exit $_[1];
}

sub fail {
   # Perl makes an exit code of these.
   ($!, $?) = (0, 0);
   die "$_[1]\n";
}

sub kill_self {
   kill $_[1], $$;
   linger;
}

sub wait_for_eof {
   my ($socket, $witness) = @_;
   note $witness, "eof " . read_all $socket;
}

sub go_on_after_eof {
   &wait_for_eof;
   linger;
}

sub shout {
   my $socket = shift;
   send_all $socket, uc read_all $socket;
}

sub touch {
   note $_[1], "entered";
}

sub leave_a_child {
   my $socket = shift;
   defined (my $pid = fork) or die "fork: $!";
   if (!$pid) {
      open STDIN, "<&", $socket or die "dup: $!";
      open STDOUT, ">", "/dev/null" or die "/dev/null: $!";
      exec "cat";
   }
   exit 7;
}

sub two_inputs {
   my ($socket, $first, $second) = @_;
   send_all $socket, "$first $second";
}

sub print_half {
   print $_[1];
}

sub state {
   my $socket = shift;
   send_all $socket, join ",", @kept;
}

sub prepare {
   push @kept, @_;
}

sub prepare_two {
   push @kept, @_[0, 1];
}

sub fail_preparation {
   die "$_[0]\n";
}

sub exit_in_preparation {
   exit $_[0];
}

sub prepare_for_ever {
   note $_[0], $$;
   linger;
}

sub touch_in_preparation {
   note $_[0], "called";
}

sub leave_a_thread {
   require threads;
   threads->create (\&linger)->detach;
}

sub print_half_in_preparation {
   print $_[0];
}

my @at_exit;

END {
   note $_, "at exit" for @at_exit;
}

sub at_exit {
   @at_exit = $_[1];
   exit 4;
}

sub exit_here {
   exit 4;
}

sub at_exit_in_preparation {
   push @at_exit, $_[0];
}

sub become_user {
   require POSIX;
   POSIX::setuid ($_[0]) or die "become user $_[0]: $!";
}

1
