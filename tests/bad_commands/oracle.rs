//! A template, and what it and this program have, before and after a start that fails.

use anyfork::{Command, ErrorKind, Process, Template};
use anyfork_tests::{SOON, children, open_files, wait_until};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[anyfork::entry]
fn nothing() {}

/// The descriptors of the whole program are looked at, so these tests come one after the other.
static ALONE: Mutex<()> = Mutex::new(());

pub(crate) struct Oracle {
    template: Template,
    before: [Vec<String>; 2],
    _alone: MutexGuard<'static, ()>,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let template = Process::new().template().unwrap();
        // After a start it has closed what it had open while it got ready.
        assert!(template.command("true").status().unwrap().success());
        assert!(wait_until(SOON, || children(template.pid()).is_empty()));
        let before = open(&template);
        Oracle { template, before, _alone: alone }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.template.pid()
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        self.template.command(program)
    }

    /// The start fails in this way: at once, once more, and in a process that is forked for an entry.
    pub(crate) fn fails(&self, command: &mut Command, kind: ErrorKind, errno: Option<i32>, text: &str) {
        // The command itself keeps descriptors.
        let before = [open_files(std::process::id()), self.before[1].clone()];
        for attempt in ["first", "second", "forked"] {
            if attempt == "forked" {
                command.pre_exec_entry(nothing, [""; 0]);
            }
            let error = command.spawn().map(|child| child.id()).expect_err(text);
            assert_eq!(error.to_string(), text, "{attempt}");
            assert_eq!((error.kind(), error.raw_os_error()), (kind, errno), "{attempt}: {text}");
            let std_kind =
                errno.map_or(io::ErrorKind::InvalidInput, |errno| io::Error::from_raw_os_error(errno).kind());
            assert_eq!(error.io_kind(), std_kind, "{attempt}: {text}");
        }
        self.is_as(&before, text);
    }

    /// A system call fails. The text ends with what the system says of the errno.
    pub(crate) fn refuses(&self, command: &mut Command, errno: i32, text: &str) {
        let text = format!("{text}: {}", io::Error::from_raw_os_error(errno));
        self.fails(command, ErrorKind::System, Some(errno), &text);
    }

    /// The command cannot be.
    pub(crate) fn is_invalid(&self, command: &mut Command, text: &str) {
        self.fails(command, ErrorKind::InvalidInput, None, text);
    }

    /// No process, dead or alive, no descriptor; and the template serves.
    pub(crate) fn nothing_is_left(&self, after: &str) {
        self.is_as(&self.before, after);
    }

    fn is_as(&self, before: &[Vec<String>; 2], after: &str) {
        let mut left = Vec::new();
        let none = wait_until(SOON, || {
            left = children(self.pid());
            left.is_empty()
        });
        assert!(none, "{after}: {left:?}");
        assert!(wait_until(SOON, || open(&self.template) == *before), "{after}: descriptors are left");
        assert!(self.command("true").status().unwrap().success(), "{after}: the next one");
    }
}

fn open(template: &Template) -> [Vec<String>; 2] {
    [std::process::id(), template.pid()].map(open_files)
}
