//! "For stingy users: put the worker code into a DATA section." In Rust that is a constant, or a file with `include_str!`.

use crate::{Result, perl};
use anyfork::{ErrorKind, NO_ARGS};
use std::io::Read;

const DATA: &str = r#"
    use List::Util qw(sum);

    sub doit {
       my ($fh, @numbers) = @_;
       print $fh "process $$ says " . sum @numbers;
    }
"#;

pub(crate) fn run() -> Result<()> {
    let worker = perl().eval(DATA, NO_ARGS).args([1, 2, 3]).blocking_socket(true).run("doit")?;
    let mut answer = String::new();
    worker.socket().read_to_string(&mut answer)?;
    let answer = answer.replace(&worker.pid().to_string(), "N");
    println!("from a string: {answer:?} ({})", worker.wait()?);

    // The original says that on standard error of the process, if anybody looks. Here the caller knows.
    let error = perl().eval("use strict; sub doit { print $sum }", NO_ARGS).run("doit").unwrap_err();
    let line = error.to_string().lines().next().unwrap_or_default().to_owned();
    println!("what does not compile: {:?}: {line}", error.kind());
    let error = perl().eval(DATA, NO_ARGS).run("do_it").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownEntry);
    println!("what is not there: {error}");
    Ok(())
}
