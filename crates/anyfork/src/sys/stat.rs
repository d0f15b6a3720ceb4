//! A process as proc_pid_stat(5) shows it.

use std::fs::File;
use std::io::{self, Read};
use std::str::FromStr;

/// Longer than any line: some fifty numbers, and a name of at most 64 bytes.
const LONGEST: usize = 2048;

/// The line of a process, as of one moment.
#[derive(Debug)]
pub(crate) struct Stat(String);

impl Stat {
    /// `process`: a number, or `self`.
    pub(crate) fn of(process: impl std::fmt::Display) -> Option<Self> {
        Self::read(process).ok()
    }

    /// The same, and why not.
    pub(crate) fn read(process: impl std::fmt::Display) -> io::Result<Self> {
        // In one go: `read_to_string` would ask for the size, which is 0 here, and begin with a few bytes.
        let mut line = vec![0; LONGEST];
        let length = File::open(format!("/proc/{process}/stat"))?.read(&mut line)?;
        line.truncate(length);
        // A name may be in any encoding.
        Ok(Stat(String::from_utf8_lossy(&line).into_owned()))
    }

    /// A field by its number in the man page, from 3 on.
    pub(crate) fn field<T: FromStr>(&self, number: usize) -> Option<T> {
        // The second field is the name in parentheses and may hold anything; fields are counted after it.
        self.0.rsplit_once(')')?.1.split_ascii_whitespace().nth(number - 3)?.parse().ok()
    }
}

/// Whether `/proc` is there, and shows processes under the numbers that they have for this one: it may be that of another namespace.
pub(crate) fn is_ours() -> io::Result<()> {
    let shown = std::fs::read_link("/proc/self")?;
    if shown.to_str() == Some(&*std::process::id().to_string()) {
        return Ok(());
    }
    Err(io::Error::other("it is that of another namespace of process numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_name_that_holds_anything() {
        let stat = Stat("7 (a) R 1) S 4 -5\n".into());
        assert_eq!((stat.field(3), stat.field(4), stat.field(5)), (Some('S'), Some(4), Some(-5)));
        assert_eq!(stat.field::<u32>(6), None);
        assert_eq!(stat.field::<u32>(5), None);
        assert_eq!(Stat::of("self").unwrap().field(4), Some(std::os::unix::process::parent_id()));
    }
}
