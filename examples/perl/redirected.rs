//! "Use AnyEvent::Fork as a faster fork+exec": `/bin/echo hi`, with standard output in a file and standard error in the communications socket.
//!
//! [`anyfork::Command`] does that without Perl; here Perl code prepares the environment.

use crate::{Result, perl};
use anyfork::NO_ARGS;
use std::io::{Read, Seek};

const RUN: &str = r#"
    # compile a helper function for later use
    sub run {
       my ($fh, $output, @cmd) = @_;

       # perl will clear close-on-exec on STDOUT/STDERR
       open STDOUT, ">&", $output or die;
       open STDERR, ">&", $fh or die;

       exec @cmd;
    }
"#;

pub(crate) fn run() -> Result<()> {
    for command in [["/bin/echo", "hi"], ["/bin/cat", "/no/such/file"]] {
        let mut output = tempfile::tempfile()?;
        let worker = perl().eval(RUN, NO_ARGS).fd(&output).args(command).blocking_socket(true).run("run")?;
        let (mut errors, mut text) = (String::new(), String::new());
        worker.socket().read_to_string(&mut errors)?;
        let status = worker.wait()?;
        output.rewind()?;
        output.read_to_string(&mut text)?;
        println!("{}: the file has {text:?}, the socket {errors:?} ({status})", command.join(" "));
    }
    Ok(())
}
