//! From inputs to parameters: an entry's parameters take the socket, then descriptors and arguments in the order sent.
//!
//! `#[entry]` writes, for each parameter of type `T`, a call of `extract` on `&&&&Probe::<T, Place>`. The compiler takes the first
//! implementation that fits, from the most special to the most general: [`Extract`], "all the rest" (`Vec`), anything made from
//! a descriptor, anything made from text. Two blanket implementations of one trait would contradict each other; this way
//! each parameter type finds its own, at compile time.
//!
//! What a step asks of its method instead of its implementation does not lead to the next step: it is refused, in words of this crate.

use crate::blob::Blob;
use crate::descriptor;
use crate::inputs::{Input, InputError, Inputs};
use std::any::type_name;
use std::ffi::OsString;
use std::marker::PhantomData;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;

/// A parameter type of an entry, made from the inputs that are left.
///
/// Types that are `From<OwnedFd>` or `FromStr` need no implementation. Implement it for types that take more
/// than one input:
///
/// ```
/// use anyfork::{Extract, InputError, Inputs};
///
/// struct Range(u32, u32);
///
/// impl Extract for Range {
///     fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
///         Ok(Range(inputs.parse()?, inputs.parse()?))
///     }
/// }
///
/// #[anyfork::entry]
/// fn sum(range: Range, expected: u32) {
///     assert_eq!((range.0..range.1).sum::<u32>(), expected);
/// }
///
/// # fn main() -> anyfork::Result<()> {
/// assert!(anyfork::Process::new().args([1, 4, 6]).run(sum)?.wait()?.success());
/// # Ok(())
/// # }
/// ```
pub trait Extract: Sized {
    /// Takes what the parameter needs.
    ///
    /// # Errors
    /// When an input is missing or is not what is expected. The message that reaches the caller names entry and position.
    fn extract(inputs: &mut Inputs) -> Result<Self, InputError>;
}

impl Inputs {
    /// Takes the next input, which must be an argument.
    ///
    /// # Errors
    /// When there is none, or it is a descriptor.
    pub fn arg(&mut self) -> Result<Blob, InputError> {
        self.arg_for("an argument")
    }

    /// Takes the next input, which must be a descriptor.
    ///
    /// # Errors
    /// When there is none, or it is an argument.
    pub fn fd(&mut self) -> Result<OwnedFd, InputError> {
        self.fd_for("a descriptor")
    }

    /// Takes the next input, which must be an argument, and parses it.
    ///
    /// # Errors
    /// When there is none, or it is a descriptor, or not UTF-8, or cannot be parsed.
    pub fn parse<T: FromStr>(&mut self) -> Result<T, InputError> {
        let expected = || format!("an argument that is a {}", short_name::<T>());
        let octets = match self.next_for(&expected())? {
            Input::Arg(octets) => octets,
            other => return Err(self.mismatch(&expected(), other.describe())),
        };
        let text = std::str::from_utf8(&octets).ok();
        match text.and_then(|text| text.parse().ok()) {
            Some(value) => Ok(value),
            None => Err(self.mismatch(&expected(), Input::Arg(octets).describe())),
        }
    }

    fn arg_for(&mut self, expected: &str) -> Result<Blob, InputError> {
        match self.next_for(expected)? {
            Input::Arg(octets) => Ok(octets),
            other => Err(self.mismatch(expected, other.describe())),
        }
    }

    fn fd_for(&mut self, expected: &str) -> Result<OwnedFd, InputError> {
        match self.next_for(expected)? {
            Input::Fd(fd) => Ok(fd),
            other => Err(self.mismatch(expected, other.describe())),
        }
    }

    fn fd_of_kind(&mut self, kind: &str) -> Result<OwnedFd, InputError> {
        let fd = self.fd_for(kind)?;
        if descriptor::kind(&fd) == kind { Ok(fd) } else { Err(self.mismatch(kind, Input::Fd(fd).describe())) }
    }
}

/// `u32` for `u32`, `File` for `std::fs::File`.
fn short_name<T>() -> &'static str {
    let name = type_name::<T>();
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}

impl Extract for Blob {
    fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
        inputs.arg()
    }
}

impl Extract for Vec<u8> {
    fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
        Ok(inputs.arg()?.into_vec())
    }
}

impl Extract for OsString {
    fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
        Ok(OsString::from_vec(inputs.arg()?.into_vec()))
    }
}

impl Extract for PathBuf {
    fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
        Ok(OsString::extract(inputs)?.into())
    }
}

impl Extract for String {
    fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
        let octets = inputs.arg()?.into_vec();
        String::from_utf8(octets).map_err(|error| {
            let got = Input::Arg(Blob::owned(error.into_bytes())).describe();
            inputs.mismatch("an argument that is UTF-8", got)
        })
    }
}

/// The first parameter of this type is the process's own socket; any other is a descriptor that was sent.
impl Extract for UnixStream {
    fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
        if inputs.at_start()
            && let Some(socket) = inputs.take_socket()
        {
            return Ok(socket);
        }
        Ok(inputs.fd_of_kind(descriptor::UNIX_STREAM)?.into())
    }
}

macro_rules! sockets {
    ($($type:ty => $kind:ident),*) => {$(
        impl Extract for $type {
            fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
                Ok(inputs.fd_of_kind(descriptor::$kind)?.into())
            }
        }
    )*};
}
sockets!(
    TcpListener => TCP_LISTENER,
    TcpStream => TCP_STREAM,
    UdpSocket => UDP_SOCKET,
    UnixListener => UNIX_LISTENER,
    UnixDatagram => UNIX_DATAGRAM
);

/// Everything that is left, the socket too. As the parameter of an entry it must be the last one.
impl Extract for Inputs {
    fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
        Ok(inputs.take_all())
    }
}

fn rest<T>(inputs: &mut Inputs, one: impl Fn(&mut Inputs) -> Result<T, InputError>) -> Result<Vec<T>, InputError> {
    let mut all = Vec::with_capacity(inputs.len());
    while !inputs.is_empty() {
        all.push(one(inputs)?);
    }
    Ok(all)
}

fn from_fd<T: From<OwnedFd>>(inputs: &mut Inputs) -> Result<T, InputError> {
    Ok(inputs.fd_for(&format!("a descriptor for a {}", short_name::<T>()))?.into())
}

#[doc(hidden)]
pub struct Probe<T, Place>(PhantomData<(T, Place)>);

impl<T, Place> Probe<T, Place> {
    #[doc(hidden)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Probe(PhantomData)
    }
}

/// The place of the last parameter.
#[doc(hidden)]
pub struct Last;

/// The place of a parameter that others follow.
#[doc(hidden)]
pub struct Followed;

/// A place in which a parameter can take all the rest.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "an entry's parameter that takes all the rest must be the last one",
    label = "takes all the rest, but other parameters follow",
    note = "`anyfork::Inputs` and every `Vec` but `Vec<u8>` take all the rest of the inputs"
)]
pub trait TakesRest {}

impl TakesRest for Last {}

/// The last resort: what is made from text.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of an entry's parameter",
    label = "cannot be made from an argument or a descriptor",
    note = "an argument fits every type that is `FromStr`, a descriptor every type that is `From<OwnedFd>`",
    note = "for a type of your own there is `anyfork::Extract`"
)]
pub trait FromText: Sized {
    fn from_text(inputs: &mut Inputs) -> Result<Self, InputError>;
}

#[diagnostic::do_not_recommend]
impl<T: FromStr> FromText for T {
    fn from_text(inputs: &mut Inputs) -> Result<Self, InputError> {
        inputs.parse()
    }
}

/// The steps of the search, the first that fits is taken. Public for the macro alone.
#[doc(hidden)]
pub mod steps {
    use super::*;

    macro_rules! step {
        (
            [$($depth:tt)*] $trait:ident for $type:ty, [$($generic:ident $(: $bound:path)?)?], [$($asked:tt)*],
            $inputs:ident => $body:expr
        ) => {
            #[doc(hidden)]
            pub trait $trait<P, $($generic)?> {
                fn extract(&self, inputs: &mut Inputs) -> Result<$type, InputError>
                where
                    $($asked)*;
            }

            impl<P, $($generic $(: $bound)?)?> $trait<P, $($generic)?> for $($depth)* Probe<$type, P> {
                fn extract(&self, $inputs: &mut Inputs) -> Result<$type, InputError>
                where
                    $($asked)*
                {
                    $body
                }
            }
        };
    }

    step!([&&&&&&] Raw for Inputs, [], [P: TakesRest], inputs => Inputs::extract(inputs));
    step!([&&&&&] Special for T, [T: Extract], [], inputs => T::extract(inputs));
    step!([&&&&] SpecialRest for Vec<T>, [T: Extract], [P: TakesRest], inputs => rest(inputs, T::extract));
    step!([&&&] FdRest for Vec<T>, [T: From<OwnedFd>], [P: TakesRest], inputs => rest(inputs, from_fd));
    step!([&&] TextRest for Vec<T>, [T: FromStr], [P: TakesRest], inputs => rest(inputs, Inputs::parse));
    step!([&] Fd for T, [T: From<OwnedFd>], [], inputs => from_fd(inputs));
    step!([] Text for T, [T], [T: FromText], inputs => T::from_text(inputs));
}

#[cfg(test)]
mod tests {
    use super::steps::*;
    use super::*;
    use std::fs::File;

    fn args(args: &[&[u8]]) -> Inputs {
        Inputs::new(None, args.iter().map(|arg| Input::Arg(Blob::owned(arg.to_vec()))).collect())
    }

    macro_rules! take {
        ($type:ty, $inputs:expr) => {
            (&&&&&&&Probe::<$type, Last>::new()).extract($inputs)
        };
    }

    #[test]
    fn arguments_become_the_types_of_the_parameters() {
        let mut inputs = args(&[b"7", b"-1.5", b"true", b"\xff", b"", b"1", b"2"]);
        assert_eq!(take!(u32, &mut inputs), Ok(7));
        assert_eq!(take!(f64, &mut inputs), Ok(-1.5));
        assert_eq!(take!(bool, &mut inputs), Ok(true));
        assert_eq!(take!(OsString, &mut inputs).unwrap().into_vec(), b"\xff");
        assert_eq!(take!(String, &mut inputs), Ok(String::new()));
        assert_eq!(take!(Vec<u8>, &mut inputs), Ok(vec![b'1']));
        assert_eq!(take!(Vec<u64>, &mut inputs), Ok(vec![2]));
        assert!(inputs.finish().is_ok());
    }

    #[test]
    fn all_the_rest_may_be_octets_or_descriptors() {
        assert_eq!(take!(Vec<Vec<u8>>, &mut args(&[b"a", b"b"])), Ok(vec![b"a".to_vec(), b"b".to_vec()]));
        let null = || Input::Fd(File::open("/dev/null").unwrap().into());
        let mut inputs = Inputs::new(None, [null(), null()].into());
        assert_eq!(take!(Vec<File>, &mut inputs).unwrap().len(), 2);
    }

    #[test]
    fn errors_name_position_expectation_and_what_came() {
        let mut inputs = args(&[b"a", b"b"]);
        let _ = take!(String, &mut inputs);
        let error = take!(u16, &mut inputs).unwrap_err();
        assert_eq!(error.to_string(), "input 2: expected an argument that is a u16, got the argument \"b\"");
        let error = take!(File, &mut inputs).unwrap_err();
        assert_eq!(
            error.to_string(),
            "input 3: expected a descriptor for a File, got nothing: only 2 inputs were sent"
        );
        let error = args(&[b"x"]).finish().unwrap_err();
        assert_eq!(error.to_string(), "input 1: expected no input, got the argument \"x\" of 1 in all");
    }

    #[test]
    fn a_file_is_no_listener() {
        let file = File::open("/proc/self/exe").unwrap();
        let mut inputs = Inputs::new(None, [Input::Fd(file.into())].into());
        let error = take!(TcpListener, &mut inputs).unwrap_err();
        assert_eq!(error.to_string(), "input 1: expected a TCP listener, got a descriptor of a regular file");
    }

    #[test]
    fn only_the_first_stream_is_the_socket() {
        let (own, _) = UnixStream::pair().unwrap();
        let (sent, _) = UnixStream::pair().unwrap();
        let mut inputs = Inputs::new(Some(own), [Input::Fd(sent.into())].into());
        assert!(take!(UnixStream, &mut inputs).is_ok());
        assert_eq!(inputs.len(), 1);
        assert!(take!(UnixStream, &mut inputs).is_ok());
        assert!(inputs.is_empty());
    }
}
