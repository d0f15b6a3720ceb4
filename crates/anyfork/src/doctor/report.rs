//! The diagnosis as text, for a terminal and for bug reports.

use super::{Diagnosis, Finding, Presence};
use std::fmt;

/// Where what follows a name begins.
const COLUMN: usize = 28;

/// A heading, then by topic: a mark (`+` there, `-` another way is taken, `!` something will not work, `?` unknown), the name, what was
/// seen; then the way that is taken, and what is lost.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, machine) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
        writeln!(f, "anyfork {version}, Linux {}, {machine}", self.kernel)?;
        writeln!(f, "+ there   - another way is taken   ! something will not work   ? unknown")?;
        let mut topic = "";
        for finding in &self.findings {
            if finding.topic != topic {
                topic = finding.topic;
                writeln!(f, "\n{topic}")?;
            }
            write!(f, "{finding}")?;
        }
        let lost = self.findings.iter().filter(|finding| !finding.lost.is_empty());
        let lost: Vec<&str> = lost.map(|finding| finding.name).collect();
        match lost.is_empty() {
            true => writeln!(f, "\nAll that was asked for works here."),
            false => writeln!(f, "\nWhat will not work: see {}.", lost.join(", ")),
        }
    }
}

/// As its lines in the report.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.presence {
            _ if !self.lost.is_empty() => '!',
            Presence::There => '+',
            Presence::Unknown => '?',
            _ => '-',
        };
        let width = COLUMN - 4;
        write!(f, "  {mark} {:<width$}", self.name)?;
        match (self.presence, self.seen.as_str()) {
            (presence, "") => writeln!(f, "{presence}")?,
            (Presence::There, seen) => writeln!(f, "{seen}")?,
            (presence, seen) => writeln!(f, "{presence}: {seen}")?,
        }
        if !self.path.is_empty() {
            writeln!(f, "{:COLUMN$}{}", "", self.path)?;
        }
        if !self.lost.is_empty() {
            writeln!(f, "{:COLUMN$}will not work: {}", "", self.lost)?;
        }
        Ok(())
    }
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Presence::There => f.write_str("there"),
            Presence::Refused(errno) => write!(f, "refused: {}", std::io::Error::from_raw_os_error(*errno)),
            Presence::Missing => f.write_str("not there"),
            Presence::SwitchedOff => f.write_str("switched off in this build"),
            Presence::Unknown => f.write_str("unknown"),
        }
    }
}
