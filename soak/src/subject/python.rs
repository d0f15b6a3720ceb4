//! Workers of a template in Python.

use super::ending::{self, End};
use super::rest::after_each_part;
use super::tally::Tally;
use super::window::drive;
use super::{Outcome, setting};
use anyfork::{NO_ARGS, Python, Starting, Template, Worker};

/// What a worker is to do comes as arguments here: the rules are in Rust.
const CODE: &str = "
import os, signal as signals, sys
def end_as_told(socket, said, code, signal):
    socket.sendall(said)
    if int(signal):
        signals.signal(signals.SIGINT, signals.SIG_DFL)
        os.kill(os.getpid(), int(signal))
    sys.exit(int(code))
";

pub(super) fn run(tally: &Tally) -> Outcome {
    let template = Python::new("python3").eval(CODE, NO_ARGS).template()?;
    setting::begin(tally, Some(&template), |number| start(&template, number))?;
    after_each_part(tally, |_, limit| drive(tally, limit, |number| start(&template, number)));
    setting::end(tally);
    Ok(())
}

fn start(template: &Template<Python>, number: u64) -> Starting<Worker> {
    let (code, signal) = match ending::of(number) {
        End::Code(code) => (code, 0),
        End::Signal(signal) => (0, signal.as_raw()),
    };
    let said = ending::said(number).unwrap_or_default();
    template.fork().arg(said).arg(code).arg(signal).blocking_socket(true).start("end_as_told")
}
