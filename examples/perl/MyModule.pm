package MyModule;

use strict;
use warnings;

sub worker {
   my ($slave_filehandle) = @_;

   # now $slave_filehandle is connected to the worker's socket in the Rust program. have fun!
   while (my $line = <$slave_filehandle>) {
      print $slave_filehandle uc $line;
   }
}

1
