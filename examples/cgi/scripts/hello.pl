#!/usr/bin/env perl
# Says hello, shows the environment, and gives the request's body back.
use strict;
use warnings;

print "Content-Type: text/plain\n\n";
print "Hello from Perl\n";
print "$_=$ENV{$_}\n" for sort keys %ENV;
print "\n";
binmode STDIN;
binmode STDOUT;
while (read STDIN, my $octets, 65536) {
    print $octets;
}
