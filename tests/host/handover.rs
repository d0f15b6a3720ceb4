//! A program that finds anyfork's variable in its environment, though anyfork did not start it.

use crate::{Outcome, entries, say};
use anyfork::Process;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    say("main", "ran");
    say("variable", if std::env::var_os("ANYFORK_HANDOVER").is_some() { "there" } else { "gone" });
    // What was not meant for anyfork is not touched.
    if let [number] = arguments {
        let open = std::fs::read_link(format!("/proc/self/fd/{number}")).is_ok();
        say("descriptor", if open { "open" } else { "closed" });
    }
    say("works", Process::new().run(entries::nothing)?.wait()?.success());
    Ok(())
}
