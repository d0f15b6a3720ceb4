die "AnyEvent::Fork::Serve is broken here\n";
