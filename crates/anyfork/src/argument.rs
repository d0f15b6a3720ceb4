//! What can be an argument: octets, and what is written as text.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
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
