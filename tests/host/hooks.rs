//! Forks in which a hook panics.

use crate::limits::shown;
use crate::{Outcome, entries, pause, say};
use anyfork::{NO_ARGS, Process};
use anyfork_tests::{LONG, within};
use std::fs::{self, File};
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

/// Where the hook notes that it was called, and then panics.
static WITNESS: OnceLock<String> = OnceLock::new();

#[anyfork::after_fork]
fn panic_if_wanted() {
    let Some(path) = WITNESS.get() else { return };
    let file = File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(b"x")).unwrap();
    panic!("a hook on purpose");
}

#[anyfork::entry]
fn make_hooks_panic(witness: String) {
    WITNESS.get_or_init(|| witness);
}

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let (template, witness) = match arguments {
        ["nested", witness] => (Process::new().call(make_hooks_panic, [witness]).template()?, witness),
        ["here", witness] => {
            WITNESS.get_or_init(|| (*witness).to_owned());
            (anyfork::template_here()?, witness)
        }
        _ => return Err("hooks of which template?".into()),
    };
    say("first", shown(template.fork().run(entries::nothing)));
    say("prepared", shown(template.fork().call(entries::nothing, NO_ARGS).run(entries::nothing)));
    template.spares(2..=4)?;
    std::thread::sleep(Duration::from_millis(100));
    for key in ["spare", "next", "another"] {
        say(key, shown(template.fork().run(entries::nothing)));
    }
    assert!(Process::new().run(entries::nothing)?.wait()?.success());
    // What ended is heard of a moment later.
    within(LONG, "none waits", || (template.spares_waiting() == 0).then_some(()));
    pause("done");
    say("forks", fs::metadata(witness)?.len());
    Ok(())
}
