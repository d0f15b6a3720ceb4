package Broken;

# Cannot be loaded.

die "broken on purpose\n";

1
