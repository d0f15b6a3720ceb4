//! The arguments of a function that is called in a process.

use super::frame::{Malformed, Parsed, Reader, Writer};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallArg<'a> {
    Inline(&'a [u8]),
    /// In a sealed memfd, which is the next descriptor.
    Sealed,
}

pub(super) fn append(w: &mut Writer<'_>, args: &[CallArg<'_>]) {
    for arg in args {
        match arg {
            CallArg::Inline(octets) => {
                w.u8(0);
                w.octets(octets);
            }
            CallArg::Sealed => w.u8(1),
        }
    }
}

pub(super) fn parse<'a>(r: &mut Reader<'a>) -> Parsed<Vec<CallArg<'a>>> {
    let mut args = Vec::new();
    while !r.is_empty() {
        args.push(match r.u8()? {
            0 => CallArg::Inline(r.octets()?),
            1 => CallArg::Sealed,
            _ => return Err(Malformed("an unknown kind of argument")),
        });
    }
    Ok(args)
}
