//! What a new process is given: arguments and descriptors, in the order in which they were sent.

use crate::blob::Blob;
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// One argument or one descriptor.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// An argument: any octets.
    Arg(Blob),
    /// A descriptor, close-on-exec.
    Fd(OwnedFd),
}

impl Input {
    /// What came, for an error message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Input::Arg(octets) => format!("the argument {}", Shown(octets)),
            Input::Fd(fd) => format!("a descriptor of {}", crate::descriptor::kind(fd)),
        }
    }
}

/// Octets as a message shows them: quoted, escaped, and cut if they are long.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        let start = &self.0[..self.0.len().min(LONGEST)];
        write!(f, "\"{}\"", start.escape_ascii())?;
        if self.0.len() > LONGEST { write!(f, "... ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

/// All inputs of an entry, raw: its socket (unless it was taken by the first parameter), and the arguments and descriptors in
/// the order in which they were sent.
///
/// As the last parameter of an entry it takes what the parameters before it left. Descriptors that are still in it are
/// closed when it is dropped.
///
/// ```
/// use anyfork::{Input, Inputs};
///
/// #[anyfork::entry]
/// fn list(inputs: Inputs) {
///     assert_eq!(inputs.len(), 2);
///     for input in inputs {
///         match input {
///             Input::Arg(octets) => println!("{} bytes", octets.len()),
///             Input::Fd(descriptor) => println!("{descriptor:?}"),
///             _ => {}
///         }
///     }
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// let worker = anyfork::Process::new().arg("a").fd(std::io::stderr()).run(list)?;
/// assert!(worker.wait()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Inputs {
    pub(crate) socket: Option<UnixStream>,
    queue: VecDeque<Input>,
    /// Parameters that were served so far, the socket not counted.
    taken: usize,
    /// All inputs there were.
    total: usize,
}

impl Inputs {
    pub(crate) fn new(socket: Option<UnixStream>, queue: VecDeque<Input>) -> Self {
        Inputs { socket, taken: 0, total: queue.len(), queue }
    }

    /// The process's own socket, if nobody took it yet.
    pub fn take_socket(&mut self) -> Option<UnixStream> {
        self.socket.take()
    }

    /// How many arguments and descriptors are left.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no argument and no descriptor is left.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn at_start(&self) -> bool {
        self.taken == 0
    }

    /// The next input for a parameter that wants `expected`.
    pub(crate) fn next_for(&mut self, expected: &str) -> Result<Input, InputError> {
        self.taken += 1;
        self.queue.pop_front().ok_or_else(|| InputError {
            position: self.taken,
            expected: expected.to_owned(),
            got: match self.total {
                0 => "nothing: no inputs were sent".to_owned(),
                1 => "nothing: only 1 input was sent".to_owned(),
                total => format!("nothing: only {total} inputs were sent"),
            },
        })
    }

    /// The error for the input that was taken last.
    pub(crate) fn mismatch(&self, expected: &str, got: String) -> InputError {
        InputError { position: self.taken, expected: expected.to_owned(), got }
    }

    /// Every input must have found its parameter.
    pub(crate) fn finish(&mut self) -> Result<(), InputError> {
        match self.queue.front() {
            None => Ok(()),
            Some(extra) => Err(InputError {
                position: self.taken + 1,
                expected: match self.taken {
                    0 => "no input".to_owned(),
                    1 => "1 input".to_owned(),
                    taken => format!("{taken} inputs"),
                },
                got: format!("{} of {} in all", extra.describe(), self.total),
            }),
        }
    }

    /// Moves everything out, the socket included, and leaves nothing.
    pub(crate) fn take_all(&mut self) -> Inputs {
        std::mem::replace(self, Inputs::new(None, VecDeque::new()))
    }
}

/// Yields what is left, in order.
impl Iterator for Inputs {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        let input = self.queue.pop_front()?;
        self.taken += 1;
        Some(input)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.queue.len(), Some(self.queue.len()))
    }
}

/// An input that does not fit its parameter: where it stands, what was expected, what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// Counted from 1; the socket does not count.
    pub(crate) position: usize,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input {}: expected {}, got {}", self.position, self.expected, self.got)
    }
}

impl std::error::Error for InputError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_odd_octets_are_shown_short_and_escaped() {
        assert_eq!(Shown(b"a\0\n\"").to_string(), r#""a\x00\n\"""#);
        assert!(Shown(&[b'x'; 100]).to_string().ends_with("... (100 bytes)"));
    }
}
