//! The examples of AnyEvent::Fork's documentation, one by one, with Rust as the main program. The Perl side is as it was.
//!
//! | Perl | Rust |
//! |---|---|
//! | `AnyEvent::Fork->new_exec` | `Perl::new()` |
//! | `my $template = AnyEvent::Fork->new;` | `let template = Perl::new().template()?;` |
//! | `->require ("MyModule")` | `.require("MyModule")` |
//! | `->eval ($code, @args)` | `.eval(code, args)` |
//! | `->send_arg ("str1", "str2")` | `.args(["str1", "str2"])` |
//! | `->send_fh ($fh1, $fh2)` | `.fds([&fh1, &fh2])` |
//! | `$template->fork->run ("My::Server::run", sub { my ($fh) = @_; ... })` | `let worker = template.fork().run("My::Server::run")?;` |
//! | `$fh` | `worker.socket()` |
//! | (nothing) | `worker.pid()`, `worker.kill()`, `worker.wait()`; errors of `require`, `eval`, `run` |
//! | `use AnyEvent::Fork::Early` | `anyfork::early()`, of the Rust program |
//! | `use AnyEvent::Fork::Template` | `anyfork::template_here()`, of the Rust program |
//!
//! It takes Perl with AnyEvent::Fork (Debian: libanyevent-fork-perl, libio-fdpass-perl).
//!
//! Run it: `cargo run --release --example perl`

mod from_a_string;
mod one_worker;
mod pool;
mod queued;
mod redirected;
mod run_args;

use anyfork::{Command, Perl, Process};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    one_worker::run()?;
    pool::run()?;
    queued::run()?;
    redirected::run()?;
    from_a_string::run()?;
    run_args::run()
}

/// An interpreter that finds the modules beside this file.
fn perl() -> Process<Perl> {
    let mut command = Command::new("perl");
    command.arg(concat!("-I", env!("CARGO_MANIFEST_DIR"), "/perl"));
    Perl::from_command(command)
}
