//! Changes to the environment that a program gets, and the environment that comes of them.

use crate::error::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

#[derive(Debug, Default, Clone)]
pub(super) struct Environment {
    pub(super) cleared: bool,
    /// A value, or `None` to remove the variable.
    pub(super) changes: BTreeMap<OsString, Option<OsString>>,
}

/// Variables as the kernel wants them, `NAME=VALUE`, one after the other.
#[derive(Debug)]
pub(super) struct Variables {
    text: Vec<u8>,
    /// Where the value of `PATH` is, its NUL included.
    path: Option<Range<usize>>,
}

/// Where programs are looked for without a `PATH`: as the C library does it (confstr(3), `_CS_PATH`).
const DEFAULT_PATH: &CStr = c"/bin:/usr/bin";

impl Environment {
    /// The environment of this program as it is now, with the changes.
    pub(super) fn resolve(&self) -> Result<Variables> {
        let mut variables = Variables { text: Vec::with_capacity(4096), path: None };
        if self.changes.is_empty() && !self.cleared {
            std::env::vars_os().for_each(|(name, value)| variables.push(&name, &value));
            return Ok(variables);
        }
        // Of several variables of one name, which an exec may have passed, the last one counts, as with std.
        let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
        if !self.cleared {
            all.extend(std::env::vars_os());
        }
        for (name, value) in &self.changes {
            if let Some(value) = value {
                check_name(name)?;
                super::check_nul(value, || format!("the value of the variable {name:?}"))?;
                all.insert(name.clone(), value.clone());
            } else {
                all.remove(name);
            }
        }
        all.iter().for_each(|(name, value)| variables.push(name, value));
        Ok(variables)
    }
}

/// As setenv(3) wants it.
fn check_name(name: &OsStr) -> Result<()> {
    let wrong = if name.is_empty() {
        "is empty"
    } else if name.as_bytes().contains(&b'=') {
        "has an equals sign"
    } else {
        return super::check_nul(name, || format!("the name of the variable {name:?}"));
    };
    Err(Error::new(ErrorKind::InvalidInput, "environment", format!("the name of the variable {name:?} {wrong}")))
}

impl Variables {
    fn push(&mut self, name: &OsStr, value: &OsStr) {
        for part in [name.as_bytes(), b"=", value.as_bytes(), b"\0"] {
            self.text.extend_from_slice(part);
        }
        if name == "PATH" {
            self.path = Some(self.text.len() - value.len() - 1..self.text.len());
        }
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.text
    }

    /// Where programs are looked for.
    pub(super) fn path(&self) -> &CStr {
        let value = self.path.clone().map(|range| &self.text[range]);
        value.and_then(|value| CStr::from_bytes_with_nul(value).ok()).unwrap_or(DEFAULT_PATH)
    }
}
