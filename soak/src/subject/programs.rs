//! External programs: a shell that ends as it is told.

use super::ending::{self, End};
use super::rest::after_each_part;
use super::tally::Tally;
use super::window::drive;
use super::{Outcome, setting};
use anyfork::{Child, Command, Starting, Stdio, Template};

pub(super) fn run(tally: &Tally) -> Outcome {
    setting::begin(tally, None::<&Template>, start)?;
    after_each_part(tally, |_, limit| drive(tally, limit, start));
    setting::end(tally);
    Ok(())
}

fn start(number: u64) -> Starting<Child> {
    let said = ending::said(number);
    let end = match ending::of(number) {
        End::Code(code) => format!("exit {code}"),
        End::Signal(signal) => format!("kill -{} $$", signal.as_raw()),
    };
    let script = said.iter().map(|said| format!("printf %s {said}\n")).chain([end]).collect::<String>();
    let stdout = if said.is_some() { Stdio::piped() } else { Stdio::null() };
    Command::new("/bin/sh").arg("-c").arg(script).stdin(Stdio::null()).stdout(stdout).start()
}
