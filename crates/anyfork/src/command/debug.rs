//! A command as a line for a shell.

use super::Command;
use std::ffi::{CString, OsStr};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// As std shows it: a line that a shell nearly understands. What is more than std has is left out.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(directory) = &self.directory {
            write!(f, "cd {:?} && ", shown(directory.as_os_str()))?;
        }
        let removed: Vec<_> = self.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        if self.environment.cleared {
            f.write_str("env -i ")?;
        } else if !removed.is_empty() {
            f.write_str("env ")?;
            removed.iter().try_for_each(|name| write!(f, "-u {} ", name.display()))?;
        }
        for (name, value) in self.get_envs() {
            if let Some(value) = value {
                write!(f, "{}={value:?} ", name.display())?;
            }
        }
        match &self.arg0 {
            Some(arg0) if *arg0 != self.program => write!(f, "[{:?}] {:?}", shown(&self.program), shown(arg0))?,
            _ => write!(f, "{:?}", shown(&self.program))?,
        }
        self.args.iter().try_for_each(|arg| write!(f, " {arg:?}"))
    }
}

/// As a C string, with its escapes.
fn shown(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).unwrap_or_else(|_| c"<string-with-nul>".to_owned())
}
