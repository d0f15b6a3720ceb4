package Dies;

die "not today";
