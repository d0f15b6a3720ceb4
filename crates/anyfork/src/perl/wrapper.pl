# Evaluated in an interpreter before AnyEvent::Fork::Serve takes over: what that server does not tell its client by itself.
#
# The client sends its orders as evaluations of the functions below, and ends with `r anyfork::enter` or `r anyfork::template`: only then does the server
# hand out its socket, so that is when the outcome is told, in frames of PROTOCOL.md.

# Before any lexical variable, so that what is evaluated sees none.
sub anyfork::run_text { package main; eval shift }

# Pragmas of the command line are for that alone.
BEGIN { $^H &= 0x100; %^H = (); ${^WARNING_BITS} = undef }

package anyfork;

# Numbers of system calls, for which Perl has modules that are slow to load, and what sets a mask of signals.
our ($PIDFD_OPEN, $CLOSE, $SIGPROCMASK, $SETMASK, $PRCTL) = map 0 + $_, split / /, $ARGV[2];

our @queue;       # what was sent before this process became a template
our @failure;     # the first thing that went wrong: kind, errno, step, object, message
our $name;        # what ps shows
our $started = $$; # the interpreter that was started itself, which ends with its template while it is prepared
our @signals;     # the mask, and what SIGCHLD did, before this process, or the one that it was forked from, became a template

# Kinds of failures, of replies.
sub UNKNOWN() { 1 } sub PREPARATION() { 4 } sub THREADS() { 5 } sub LOAD() { 8 }
sub READY() { 129 } sub STARTED() { 130 } sub FAILED() { 131 }

sub send_octets {
   my ($socket, $octets) = @_;
   while (length $octets) {
      my $sent = syswrite $socket, $octets;
      # EINTR. Not by its name, for which `%!` would load a module.
      next if !defined $sent && $! == 4;
      # Nobody waits for it any more.
      defined $sent or exit 0;
      substr $octets, 0, $sent, "";
   }
}

sub send_frame {
   my ($socket, $kind, $payload) = @_;
   send_octets $socket, pack "V v v a*", length $payload, $kind, 0, $payload;
}

# With the pidfd, if there are any: the frame's last octet, which is 0 in all process numbers, is that with which a descriptor travels.
sub send_pid {
   my ($socket, $kind) = @_;
   my $pidfd = syscall $PIDFD_OPEN, 0 + $$, 0;
   return send_frame $socket, $kind, pack "V", $$ if $pidfd < 0;
   send_octets $socket, substr pack ("V v v V", 4, $kind, 1, $$), 0, -1;
   # EINTR; EAGAIN, ETOOMANYREFS: until those who are waited for have taken theirs; ENOMEM, ENOBUFS: until there is memory.
   until (IO::FDPass::send (fileno $socket, $pidfd)) {
      (grep $! == $_, 4, 11, 12, 105, 109) or exit 0;
      select undef, undef, undef, 0.001;
   }
   syscall $CLOSE, $pidfd;
}

sub octets {
   my $text = shift;
   utf8::encode $text if utf8::is_utf8 $text;
   $text = substr $text, 0, 65536;
   # A character that is cut in two is left out.
   $text =~ s/[\xc0-\xff][\x80-\xbf]{0,2}\z// if 65536 == length $text;
   $text
}

sub fail {
   my ($socket, $kind, $errno, @texts) = @_;
   send_frame $socket, FAILED, pack "C V (V/a*)3", $kind, $errno, map octets ($_), @texts;
   exit 1;
}

# Templates block all signals, as what a terminal sends is for the program, and ignore SIGCHLD, so that the kernel waits for their forks. A fork has both back as they were.
# True in one that had not.
sub hear {
   return unless @signals;
   my $mask;
   ($mask, $SIG{CHLD}) = splice @signals;
   syscall $SIGPROCMASK, $SETMASK, $mask, 0, 8;
   1
}

# From here on it goes on without its template. (PR_SET_PDEATHSIG, which forks do not have.)
sub go_on { syscall $PRCTL, 1, 0, 0, 0, 0 if $started == $$ }

# Before something is evaluated.
sub prepare {
   return unless hear;
   # What was sent before the template was one. As the original it leaves all queued, whatever is said there. Undone when the server goes on to what it runs.
   my $own = \&AnyEvent::Fork::Serve::run_args;
   *AnyEvent::Fork::Serve::run_args = sub () { my @inputs = (@queue, &$own); @inputs };
}

sub note {
   return if @failure;
   @failure = @_;
   chomp $failure[-1];
}

sub evaluate {
   prepare;
   return if @failure;
   local $@;
   &run_text;
   # An object may count as false.
   note PREPARATION, 0, "eval", "", "$@" if ref $@ || $@ ne "";
}

sub call {
   my $function = shift;
   prepare;
   return if @failure;
   my $code = find ($function);
   return note UNKNOWN, 0, "entry", $function, "no function of this name is defined" unless $code;
   local $@;
   my $done = eval { &$code; 1 };
   note PREPARATION, 0, "call", $function, "$@" unless $done;
}

sub load {
   my $module = shift;
   prepare;
   return if @failure;
   (my $file = "$module.pm") =~ s{::}{/}g;
   local $@;
   return if eval { require $file };
   my $is_missing = $@ =~ /^Can't locate \Q$file\E in \@INC/;
   note LOAD, $is_missing ? 2 : 0, "require", $module, "$@";
}

sub name { $name = shift }

# As the server finds it.
sub find {
   my $function = shift;
   $function = "main::$function" unless $function =~ /::|'/;
   my ($package) = $function =~ /(.*)(?:::|')/s;
   defined &$function || defined &{"${package}::AUTOLOAD"} ? \&$function : undef
}

sub threads {
   opendir my $tasks, "/proc/self/task" or return;
   my @tasks = grep /^\d+$/, readdir $tasks;
   return if @tasks < 2;
   my @names = map {
      open my $file, "<", "/proc/self/task/$_/comm";
      my $comm = <$file>;
      chomp $comm;
      "\"$comm\""
   } @tasks;
   local $" = ", ";
   "it has " . @tasks . " threads: @names; a fork would copy one of them and the locks of all: end threads in the preparation, or start them in the workers"
}

# Goes on as a template: the server begins anew, and what was sent so far is kept for the forks.
sub template {
   my ($socket, @inputs) = @_;
   hear;
   fail $socket, @failure if @failure;
   # One that was joined may still be on its way out of the kernel: sys/threads.rs.
   my $threads;
   for (1 .. 200) {
      $threads = threads or last;
      select undef, undef, undef, 0.001;
   }
   fail $socket, THREADS, 0, "become a template", "", $threads if $threads;
   push @queue, @inputs;
   my ($mask, $all) = ("\0" x 8, "\xff" x 8);
   syscall $SIGPROCMASK, $SETMASK, $all, $mask, 8;
   @signals = ($mask, $SIG{CHLD});
   $SIG{CHLD} = "IGNORE";
   $0 = "$AnyEvent::Fork::Serve::OWNER " . (defined $name ? $name : "AnyEvent::Fork template");
   undef $name;
   go_on;
   send_pid $socket, READY;
   @_ = ($socket);
   goto &AnyEvent::Fork::Serve::serve;
}

sub enter {
   my $socket = shift;
   my $function = pop;
   hear;
   fail $socket, @failure if @failure;
   my $code = find ($function);
   fail $socket, UNKNOWN, 0, "entry", $function, "no function of this name is defined" unless $code;
   $0 = "$AnyEvent::Fork::Serve::OWNER " . (defined $name ? $name : $function);
   go_on;
   send_pid $socket, STARTED;
   @_ = ($socket, splice (@queue), @_);
   package main;
   goto &$code;
}

unless (eval { require AnyEvent::Fork::Serve; require IO::FDPass }) {
   open my $socket, ">&=", $ARGV[0] or die "no socket: $!\n";
   fail $socket, LOAD, 2, "require", "AnyEvent::Fork::Serve", "$@(Debian: libanyevent-fork-perl, libio-fdpass-perl)";
}

1
