//! "Create a template for a process pool, pass a few strings, some file handles, then fork, pass one more string, and run some code."

use crate::{Result, perl};
use anyfork::NO_ARGS;
use std::fs::File;
use std::io::Write;

const FUNCTION: &str = r#"
    # all parameters passed before fork and after will be passed, in order, after the communications socket.
    sub Some::function {
       my ($fh, $str1, $str2, $fh1, $fh2, $str3) = @_;

       die "not as it was sent" unless "$str1 $str2 $str3" eq "str1 str2 str3" && -c $fh1 && -d $fh2;
       print scalar <$fh>; # prints "hi #1\n" and "hi #2\n" in any order
    }
"#;

pub(crate) fn run() -> Result<()> {
    let (fh1, fh2) = (File::open("/dev/null")?, File::open("/")?);
    let pool = perl().eval(FUNCTION, NO_ARGS).args(["str1", "str2"]).fds([fh1, fh2]).template()?;
    let mut workers = Vec::new();
    for number in 1..=2 {
        let worker = pool.fork().arg("str3").run("Some::function")?;
        // The socket is non-blocking, but we trust that the system can accept these few octets anyway.
        writeln!(worker.socket(), "hi #{number}")?;
        workers.push(worker);
    }
    // They have our standard output.
    for worker in workers {
        worker.exited().wait()?;
    }
    Ok(())
}
