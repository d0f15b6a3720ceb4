package My::Server;

use strict;
use warnings;

sub run {
   my ($slave, $listener, $id) = @_;

   close $slave; # we do not use the socket, so close it to save resources

   # The documentation says `$listener->accept`, which handles have that are IO::Socket objects. What comes through send_fh is a plain one.
   while (accept my $socket, $listener) {
      syswrite $socket, "$id\n";
      <$socket>; # until the client goes away
   }
}

1
