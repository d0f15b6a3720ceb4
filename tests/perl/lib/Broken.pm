package Broken;

sub { ] };

1
