# What the original client gets from its server: for each case on standard input the text that the function `tell` of its process writes.
#
# Cases end with \x1d; in them, each followed by \x1e, are what is evaluated, and last the body of `tell`.
use strict;
use warnings;
use AnyEvent;
use AnyEvent::Fork;
use AnyEvent::Util ();

open my $file, "<", "/dev/null" or die $!;
my $pool = AnyEvent::Fork->new_exec;
$pool->eval ('$pool = $$')->send_arg ("of the pool");

for my $case (split /\x1d/, do { local $/; <STDIN> }) {
   my @codes = split /\x1e/, $case;
   my $body = pop @codes;
   my $process = $ARGV[0] eq "exec" ? AnyEvent::Fork->new_exec->send_arg ("of the pool") : $pool->fork;
   $process->send_arg ("first")->send_fh ($file)->send_arg ("second", "");
   $process->eval ($_, "a\xff", "", "c d") for @codes;
   $process->eval ("sub tell { my \$socket = shift; print \$socket do { $body } }");
   $process->run ("tell", my $run = AE::cv);
   my $socket = $run->recv;
   AnyEvent::Util::fh_nonblocking $socket, 0;
   local $/;
   my $told = <$socket>;
   print defined $told ? $told : "", "\x1d";
}
