//! "`@args = AnyEvent::Fork::Serve::run_args`: returns the arguments that would be passed to the run function", in code that is evaluated before it is run.
//!
//! It "clears them", its documentation goes on. In version 1.32 it does not: the function gets them, too.

use crate::{Result, perl};
use anyfork::NO_ARGS;
use std::io::{Read, Seek};

const KEEP: &str = r#"
    my ($log, $level) = AnyEvent::Fork::Serve::run_args;

    sub note { syswrite $log, "$level: @_\n" }

    sub work {
       my ($fh, @inputs) = @_;
       note "in the function, which has " . @inputs . " inputs";
    }

    note "in the template";
"#;

pub(crate) fn run() -> Result<()> {
    let mut log = tempfile::tempfile()?;
    let template = perl().fd(&log).arg("info").eval(KEEP, NO_ARGS).template()?;
    // What the template was sent is there in its forks.
    let fork =
        template.fork().arg("more").eval("note 'in a fork, with ' . (() = AnyEvent::Fork::Serve::run_args)", NO_ARGS);
    let worker = fork.blocking_socket(true).run("work")?;
    worker.socket().read_to_end(&mut Vec::new())?;
    log.rewind()?;
    let mut text = String::new();
    log.read_to_string(&mut text)?;
    println!("run_args: {:?}", text.lines().collect::<Vec<_>>());
    Ok(())
}
