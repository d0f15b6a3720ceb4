//! What can be an argument: octets, and what is written as text.

use crate::channel::Dialect;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::memfd;
use crate::sys::socket;
use crate::wire::{CallArg, INLINE_ARGUMENT};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A value that can be passed to a new process as an argument: strings, paths and octets as they are; numbers, `bool` and `char` as
/// `Display` writes them.
///
/// ```
/// use anyfork::ToArg;
/// assert_eq!(&*1.5.to_arg(), b"1.5");
/// assert_eq!(&*b"\0\xff".to_arg(), b"\0\xff");
/// ```
pub trait ToArg {
    /// The octets.
    fn to_arg(&self) -> Cow<'_, [u8]>;
}

impl<T: ToArg + ?Sized> ToArg for &T {
    fn to_arg(&self) -> Cow<'_, [u8]> {
        (**self).to_arg()
    }
}

macro_rules! octets {
    ($($type:ty: $value:ident => $octets:expr),* $(,)?) => {$(
        impl ToArg for $type {
            fn to_arg(&self) -> Cow<'_, [u8]> {
                let $value = self;
                Cow::Borrowed($octets)
            }
        }
    )*};
}
octets! {
    str: value => value.as_bytes(),
    String: value => value.as_bytes(),
    OsStr: value => value.as_bytes(),
    OsString: value => value.as_bytes(),
    Path: value => value.as_os_str().as_bytes(),
    PathBuf: value => value.as_os_str().as_bytes(),
    [u8]: value => value,
    Vec<u8>: value => value,
    crate::Blob: value => value,
}

impl<const N: usize> ToArg for [u8; N] {
    fn to_arg(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self)
    }
}

impl<T: ToArg + ToOwned + ?Sized> ToArg for Cow<'_, T> {
    fn to_arg(&self) -> Cow<'_, [u8]> {
        (**self).to_arg()
    }
}

macro_rules! text {
    ($($type:ty),*) => {$(
        impl ToArg for $type {
            fn to_arg(&self) -> Cow<'_, [u8]> {
                Cow::Owned(self.to_string().into_bytes())
            }
        }
    )*};
}
text!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char);

/// The most octets in one command to AnyEvent::Fork::Serve, which counts them in 32 bits.
const MOST_INLINE: usize = 1 << 30;

/// The most arguments of a [`Process::call`](crate::Process::call): so many of 1 KiB fit into one frame.
const MOST: usize = 900;

/// An error if one command has no room for so many octets.
pub(crate) fn check_length(step: &'static str, dialect: Dialect, octets: usize) -> Result<()> {
    if dialect == Dialect::Serve && octets > MOST_INLINE {
        return Err(Error::new(ErrorKind::InvalidInput, step, "Perl takes at most 1 GiB at once"));
    }
    Ok(())
}

/// The arguments of a preparation step: large ones in memory files, where the other end knows such.
pub(crate) fn wire<'a>(
    step: &'static str,
    dialect: Dialect,
    octets: &'a [Cow<'_, [u8]>],
) -> Result<(Vec<CallArg<'a>>, Vec<OwnedFd>)> {
    let inline: usize = octets.iter().map(|octets| octets.len()).sum();
    check_length(step, dialect, inline)?;
    if dialect == Dialect::Serve {
        return Ok((octets.iter().map(|octets| CallArg::Inline(octets)).collect(), Vec::new()));
    }
    let limit = if inline <= INLINE_ARGUMENT { INLINE_ARGUMENT } else { 1024 };
    let mut files = Vec::new();
    let mut wired = Vec::new();
    for octets in octets {
        wired.push(if octets.len() <= limit {
            CallArg::Inline(octets)
        } else {
            let file =
                memfd::sealed(octets).map_err(|error| Error::system("put an argument into a memory file", error))?;
            files.push(file);
            CallArg::Sealed
        });
    }
    if files.len() > socket::DESCRIPTORS_PER_MESSAGE || wired.len() > MOST {
        let message = format!("at most {MOST} arguments, and 253 large ones");
        return Err(Error::new(ErrorKind::InvalidInput, step, message));
    }
    Ok((wired, files))
}
