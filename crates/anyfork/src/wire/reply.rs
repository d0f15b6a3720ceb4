//! Replies: what a process says of itself, once, and what a template reports of its children.

use super::Bytes;
use super::frame::{Frame, HEADER, Malformed, Parsed, Reader, append, header};

/// What went wrong in the new process or in its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// A system call: step and errno.
    System,
    UnknownEntry,
    AmbiguousEntry,
    Inputs,
    Preparation,
    Threads,
    Protocol,
    OtherImage,
    /// A module cannot be loaded.
    Load,
}

/// A failure as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// 0: none.
    pub(crate) errno: i32,
    /// The step that failed, in words that fit before a colon.
    pub(crate) step: String,
    /// The entry or the like.
    pub(crate) object: String,
    pub(crate) message: String,
}

impl Failure {
    /// A system call that failed with `errno`.
    pub(crate) fn system(step: impl Into<String>, error: &std::io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(0);
        let message = if errno == 0 { error.to_string() } else { String::new() };
        Failure { kind: FailureKind::System, errno, step: step.into(), object: String::new(), message }
    }

    pub(crate) fn new(kind: FailureKind, step: &str, object: impl Into<String>, message: impl Into<String>) -> Self {
        Failure { kind, errno: 0, step: step.to_owned(), object: object.into(), message: message.into() }
    }
}

/// How one child ended, with what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ExitRecord {
    /// The id of its fork order; 0: an adopted orphan, known by its pid alone.
    pub(crate) id: u64,
    pub(crate) pid: u32,
    /// As wait(2) gives it.
    pub(crate) wait_status: i32,
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
    pub(crate) peak_kib: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Is a template now. Its pidfd comes along if there is one.
    Ready {
        pid: u32,
    },
    /// Enters its entry now. Its pidfd comes along if there is one.
    Started {
        pid: u32,
    },
    Failed(Failure),
    /// A template could not make this process, and has no socket on which to say so.
    NotForked {
        id: u64,
        errno: i32,
    },
    Exited(ExitRecord),
    /// A template has forked this process in advance. The client's end of its socket comes along.
    Spare {
        id: u64,
        pid: u32,
    },
}

mod kind {
    pub(super) const READY: u16 = 129;
    pub(super) const STARTED: u16 = 130;
    pub(super) const FAILED: u16 = 131;
    pub(super) const EXITED: u16 = 132;
    pub(super) const NOT_FORKED: u16 = 133;
    pub(super) const SPARE: u16 = 134;
}

pub(crate) const KINDS: [FailureKind; 9] = [
    FailureKind::System,
    FailureKind::UnknownEntry,
    FailureKind::AmbiguousEntry,
    FailureKind::Inputs,
    FailureKind::Preparation,
    FailureKind::Threads,
    FailureKind::Protocol,
    FailureKind::OtherImage,
    FailureKind::Load,
];

/// Longest text that travels in a failure, in bytes; a panic message has no limit of its own.
pub(crate) const MAX_TEXT: usize = 64 * 1024;

impl Reply {
    pub(crate) fn append(&self, out: &mut Bytes, descriptors: u16) {
        match self {
            Reply::Ready { pid } => append(out, kind::READY, descriptors, |w| w.u32(*pid)),
            Reply::Started { pid } => append(out, kind::STARTED, descriptors, |w| w.u32(*pid)),
            Reply::Failed(failure) => append(out, kind::FAILED, descriptors, |w| {
                w.u8(KINDS.iter().position(|kind| *kind == failure.kind).unwrap_or(0) as u8);
                w.u32(failure.errno as u32);
                for text in [&failure.step, &failure.object, &failure.message] {
                    w.octets(&text.as_bytes()[..text.floor_char_boundary_at(MAX_TEXT)]);
                }
            }),
            Reply::Spare { id, pid } => append(out, kind::SPARE, descriptors, |w| {
                w.u64(*id);
                w.u32(*pid);
            }),
            Reply::NotForked { id, errno } => append(out, kind::NOT_FORKED, descriptors, |w| {
                w.u64(*id);
                w.u32(*errno as u32);
            }),
            Reply::Exited(record) => append(out, kind::EXITED, descriptors, |w| {
                w.u64(record.id);
                w.u32(record.pid);
                w.u32(record.wait_status as u32);
                for value in
                    [record.user_us, record.system_us, record.peak_kib, record.minor_faults, record.major_faults]
                {
                    w.u64(value);
                }
            }),
        }
    }

    pub(crate) fn parse(frame: Frame<'_>) -> Parsed<Self> {
        let mut r = Reader::new(frame.payload);
        let limit = match frame.kind {
            kind::READY | kind::STARTED | kind::SPARE => 1,
            _ => 0,
        };
        if frame.descriptors > limit {
            return Err(Malformed("a reply with the wrong number of descriptors"));
        }
        let reply = match frame.kind {
            kind::READY => Reply::Ready { pid: r.u32()? },
            kind::STARTED => Reply::Started { pid: r.u32()? },
            kind::FAILED => Reply::Failed(Failure {
                kind: *KINDS.get(usize::from(r.u8()?)).ok_or(Malformed("an unknown kind of failure"))?,
                errno: r.u32()? as i32,
                step: text(&mut r)?,
                object: text(&mut r)?,
                message: text(&mut r)?,
            }),
            kind::NOT_FORKED => Reply::NotForked { id: r.u64()?, errno: r.u32()? as i32 },
            kind::SPARE => Reply::Spare { id: r.u64()?, pid: r.u32()? },
            kind::EXITED => Reply::Exited(ExitRecord {
                id: r.u64()?,
                pid: r.u32()?,
                wait_status: r.u32()? as i32,
                user_us: r.u64()?,
                system_us: r.u64()?,
                peak_kib: r.u64()?,
                minor_faults: r.u64()?,
                major_faults: r.u64()?,
            }),
            _ => return Err(Malformed("an unknown reply")),
        };
        r.finish()?;
        Ok(reply)
    }
}

/// A *started* frame for a process that may not allocate.
pub(crate) fn started(pid: u32, descriptors: u16) -> [u8; HEADER + 4] {
    let mut frame = [0; HEADER + 4];
    frame[..HEADER].copy_from_slice(&header(4, kind::STARTED, descriptors));
    frame[HEADER..].copy_from_slice(&pid.to_le_bytes());
    frame
}

/// What stands before the step, the object and the message of a *failed* frame, for a process that may not allocate: a system call
/// failed. The texts are at most [`MAX_TEXT`] long.
pub(crate) fn system_failure(errno: i32, lengths: [usize; 3]) -> [[u8; HEADER + 9]; 3] {
    let payload = 5 + 3 * 4 + lengths.iter().sum::<usize>();
    let mut parts = [[0; HEADER + 9]; 3];
    parts[0][..HEADER].copy_from_slice(&header(payload as u32, kind::FAILED, 0));
    // The kind, a byte, is the first one: 0.
    parts[0][HEADER + 1..HEADER + 5].copy_from_slice(&errno.to_le_bytes());
    for (part, length) in parts.iter_mut().zip(lengths) {
        part[HEADER + 5..].copy_from_slice(&(length as u32).to_le_bytes());
    }
    parts
}

/// Where in the first, and in the other parts of [`system_failure`] the bytes to be sent begin.
pub(crate) const FAILURE_PARTS_AT: [usize; 3] = [0, HEADER + 5, HEADER + 5];

fn text(r: &mut Reader<'_>) -> Parsed<String> {
    let octets = r.octets()?;
    if octets.len() > MAX_TEXT {
        return Err(Malformed("a text of a failure that is too long"));
    }
    Ok(String::from_utf8_lossy(octets).into_owned())
}

/// `str::floor_char_boundary`, which is newer than the oldest compiler promised.
trait FloorCharBoundary {
    fn floor_char_boundary_at(&self, index: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_at(&self, index: usize) -> usize {
        (0..=index.min(self.len())).rev().find(|at| self.is_char_boundary(*at)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split;

    fn samples() -> Vec<Reply> {
        let record = ExitRecord { id: 5, pid: 6, wait_status: -7, user_us: 8, peak_kib: 9, ..Default::default() };
        vec![
            Reply::Ready { pid: 1 },
            Reply::Started { pid: u32::MAX },
            Reply::Failed(Failure {
                kind: FailureKind::OtherImage,
                errno: -1,
                step: "fork".into(),
                object: String::new(),
                message: "ä\n".into(),
            }),
            Reply::NotForked { id: 1 << 50, errno: 24 },
            Reply::Spare { id: 1 << 51, pid: 78 },
            Reply::Exited(record),
        ]
    }

    #[test]
    fn every_reply_comes_back_as_it_was_written() {
        for reply in samples() {
            let mut bytes = Bytes::new();
            reply.append(&mut bytes, 0);
            let (frame, used) = split(&bytes).unwrap().unwrap();
            assert_eq!(used, bytes.len());
            assert_eq!(Reply::parse(frame), Ok(reply));
        }
    }

    #[test]
    fn replies_that_are_put_together_without_an_allocation_are_the_same() {
        let mut bytes = Bytes::new();
        Reply::Started { pid: 77 }.append(&mut bytes, 1);
        assert_eq!(started(77, 1), bytes[..]);
        let mut bytes = Bytes::new();
        let texts = ["chdir", "/nope", ""];
        let [step, object, message] = texts.map(str::to_owned);
        let failure = Failure { kind: FailureKind::System, errno: 2, step, object, message };
        Reply::Failed(failure).append(&mut bytes, 0);
        let parts = system_failure(2, texts.map(str::len));
        let parts = parts.iter().zip(FAILURE_PARTS_AT).zip(texts);
        let whole: Vec<u8> = parts.flat_map(|((part, at), text)| [&part[at..], text.as_bytes()].concat()).collect();
        assert_eq!(whole, bytes[..]);
    }

    #[test]
    fn forged_replies_are_refused() {
        for reply in samples() {
            let mut bytes = Bytes::new();
            reply.append(&mut bytes, 0);
            let (frame, _) = split(&bytes).unwrap().unwrap();
            assert!(Reply::parse(Frame { descriptors: 2, ..frame }).is_err());
            if let Some((_, shorter)) = frame.payload.split_last() {
                assert!(Reply::parse(Frame { payload: shorter, ..frame }).is_err());
            }
        }
        assert!(Reply::parse(Frame { kind: 1, descriptors: 0, payload: b"" }).is_err());
    }

    #[test]
    fn a_long_message_is_cut_at_a_character_and_a_longer_one_is_refused() {
        let failure = Failure {
            kind: FailureKind::Preparation,
            errno: 0,
            step: String::new(),
            object: String::new(),
            message: "ä".repeat(MAX_TEXT),
        };
        let mut bytes = Bytes::new();
        Reply::Failed(failure).append(&mut bytes, 0);
        let (frame, _) = split(&bytes).unwrap().unwrap();
        let Ok(Reply::Failed(failure)) = Reply::parse(frame) else { panic!("no failure") };
        assert_eq!(failure.message.len(), MAX_TEXT);
        assert!(failure.message.chars().all(|c| c == 'ä'));
        // One octet more, with its length.
        let mut longer = [frame.payload, b"x"].concat();
        let length_at = longer.len() - 1 - MAX_TEXT - 4;
        longer[length_at..length_at + 4].copy_from_slice(&(MAX_TEXT as u32 + 1).to_le_bytes());
        assert!(Reply::parse(Frame { payload: &longer, ..frame }).is_err());
    }
}
