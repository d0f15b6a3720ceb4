//! What the driver asks its subjects, and what they answer: a line each, so that a script can do it too.

use std::fmt;
use std::time::Duration;

/// One measurement. As a line: case, system, in flight, milliseconds, rate (0: one after another, as fast as it goes).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) case: String,
    pub(crate) system: String,
    pub(crate) in_flight: usize,
    pub(crate) length: Duration,
    /// Per second, for the open loop.
    pub(crate) rate: Option<f64>,
}

/// What memory is looked at.
pub(crate) const MEMORY: [&str; 5] =
    ["template-private", "template-proportional", "worker-private", "worker-proportional", "spare-private"];

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// Per second.
    Rate(f64),
    /// The rate, and nanoseconds with how often.
    Latencies(f64, Vec<(u64, u64)>),
    /// KiB of each of [`MEMORY`].
    Memory([Option<u64>; MEMORY.len()]),
    /// This system cannot do it.
    Absent,
    Failed(String),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { case, system, in_flight, length, rate } = self;
        write!(f, "{case} {system} {in_flight} {} {}", length.as_millis(), rate.unwrap_or_default())
    }
}

impl Request {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (case, system) = (words.next()?.to_owned(), words.next()?.to_owned());
        let in_flight = words.next()?.parse().ok()?;
        let length = Duration::from_millis(words.next()?.parse().ok()?);
        let rate = Some(words.next()?.parse().ok()?).filter(|rate| *rate > 0.0);
        Some(Request { case, system, in_flight, length, rate })
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Rate(rate) => write!(f, "rate {rate}"),
            Reply::Latencies(rate, values) => {
                write!(f, "latencies {rate}")?;
                values.iter().try_for_each(|(value, count)| write!(f, " {value}:{count}"))
            }
            Reply::Memory(figures) => {
                write!(f, "memory")?;
                figures.iter().try_for_each(|kib| match kib {
                    Some(kib) => write!(f, " {kib}"),
                    None => write!(f, " -"),
                })
            }
            Reply::Absent => write!(f, "absent"),
            Reply::Failed(why) => write!(f, "failed {}", why.replace('\n', " ")),
        }
    }
}

impl Reply {
    /// A line that is none is a failure that says so.
    pub(crate) fn parse(line: &str) -> Self {
        Self::known(line.trim()).unwrap_or_else(|| Reply::Failed(format!("an answer that is none: {line}")))
    }

    fn known(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.split_whitespace();
        Some(match kind {
            "rate" => Reply::Rate(words.next()?.parse().ok()?),
            "latencies" => {
                let rate = words.next()?.parse().ok()?;
                Reply::Latencies(rate, words.map(counted).collect::<Option<_>>()?)
            }
            "memory" => {
                // Who has no spares says nothing of them.
                Reply::Memory(MEMORY.map(|_| words.next().and_then(|word| word.parse().ok())))
            }
            "absent" => Reply::Absent,
            "failed" => Reply::Failed(rest.to_owned()),
            _ => return None,
        })
    }
}

/// `NANOSECONDS:COUNT`; the count is one if it is not there.
fn counted(word: &str) -> Option<(u64, u64)> {
    match word.split_once(':') {
        Some((value, count)) => Some((value.parse().ok()?, count.parse().ok()?)),
        None => Some((word.parse().ok()?, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_as_they_were() {
        let mut request = Request {
            case: "caller-blocked/command".into(),
            system: "AnyEvent::Fork".into(),
            in_flight: 16,
            length: Duration::from_millis(120),
            rate: Some(812.5),
        };
        assert_eq!(Request::parse(&request.to_string()), Some(request.clone()));
        request.rate = None;
        assert_eq!(Request::parse(&request.to_string()), Some(request));
        assert_eq!(Request::parse("run anyfork"), None);
    }

    #[test]
    fn replies_come_back_as_they_were() {
        for reply in [
            Reply::Rate(812.5),
            Reply::Latencies(99.0, vec![(1000, 3), (70_000, 1)]),
            Reply::Memory([None, Some(3), Some(0), None, Some(1)]),
            Reply::Absent,
            Reply::Failed("no such file".into()),
        ] {
            assert_eq!(Reply::parse(&reply.to_string()), reply);
        }
        assert_eq!(Reply::parse("latencies 9 7 8:2"), Reply::Latencies(9.0, vec![(7, 1), (8, 2)]));
        assert!(matches!(Reply::parse("Traceback"), Reply::Failed(_)));
    }
}
