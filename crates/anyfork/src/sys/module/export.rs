//! The side of a module in Rust: its entries as a C table. This runs in the copy of this crate that the library has.

use super::{RawCall, RawEntry, RawInput, RawModule, VERSION};
use crate::blob::Blob;
use crate::entry::{AFTER_FORK, Bound, ENTRIES, Finished, Registration};
use crate::inputs::{Input, Inputs};
use crate::outcome::catch_panic;
use std::ffi::{CString, c_char, c_int};
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::slice;
use std::sync::OnceLock;

/// The table of this library. `crate_name` stands before the paths of its own entries.
#[doc(hidden)]
pub fn export(crate_name: &str) -> *const RawModule {
    static TABLE: OnceLock<RawModule> = OnceLock::new();
    TABLE.get_or_init(|| {
        let name = |name: &str| CString::new(name).unwrap_or_default().into_raw().cast_const();
        let entries = ENTRIES.iter().map(|entry: &'static Registration| {
            let own = entry.name.strip_prefix(crate_name).and_then(|rest| rest.strip_prefix("::"));
            let context = std::ptr::from_ref(entry).cast();
            RawEntry { name: name(own.unwrap_or(entry.name)), check: Some(check), run: Some(run), context }
        });
        let entries: &'static [RawEntry] = Vec::leak(entries.collect());
        let hook: unsafe extern "C" fn(*mut c_char, usize) -> c_int = after_fork;
        RawModule {
            version: VERSION,
            name: name(crate_name),
            count: entries.len(),
            entries: entries.as_ptr(),
            after_fork: (!AFTER_FORK.is_empty()).then_some(hook),
        }
    })
}

/// From `check` to `run`.
struct Kept {
    bound: Bound,
    /// The socket, if no parameter took it: it stays open until the end.
    _inputs: Inputs,
}

unsafe extern "C" fn check(call: *mut RawCall) -> c_int {
    // SAFETY: the program passes a call that is its own until this returns.
    let call = unsafe { &mut *call };
    // SAFETY: the context that `export` has put there.
    let entry = unsafe { &*call.context.cast::<Registration>() };
    let mut inputs = inputs_of(call);
    let message = match panic::catch_unwind(AssertUnwindSafe(|| (entry.bind)(&mut inputs))) {
        Ok(Ok(bound)) => {
            call.kept = Box::into_raw(Box::new(Kept { bound, _inputs: inputs })).cast();
            return 0;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "taking the inputs panicked".to_owned(),
    };
    say(call.message, call.room, &message);
    1
}

unsafe extern "C" fn run(call: *mut RawCall) -> c_int {
    // SAFETY: as above.
    let call = unsafe { &mut *call };
    // SAFETY: `check` has put it there, and this is called once.
    let Kept { bound, _inputs } = *unsafe { Box::from_raw(call.kept.cast::<Kept>()) };
    let is_preparation = call.socket < 0;
    // A worker's panic is printed as usual; that of a preparation goes to the caller.
    let ended = if is_preparation {
        catch_panic(bound)
    } else {
        panic::catch_unwind(AssertUnwindSafe(bound)).map_err(|_| String::new())
    };
    // This library's own buffer: the program does not know it.
    let _ = std::io::stdout().flush();
    match ended {
        Ok(Finished::Code(code)) => code.into(),
        Ok(Finished::Error { code, message }) => {
            say(call.message, call.room, &message);
            code.into()
        }
        Err(panic) => {
            if is_preparation {
                say(call.message, call.room, &format!("it panicked {panic}"));
            }
            crate::sys::exit::PANICKED
        }
    }
}

unsafe extern "C" fn after_fork(message: *mut c_char, room: usize) -> c_int {
    let called = catch_panic(|| AFTER_FORK.iter().for_each(|function| function()));
    let _ = std::io::stdout().flush();
    match called {
        Ok(()) => 0,
        Err(panic) => {
            say(message, room, &format!("it panicked {panic}"));
            1
        }
    }
}

/// The inputs as an entry in Rust takes them. Arguments are copied; the descriptors have become the entry's.
fn inputs_of(call: &RawCall) -> Inputs {
    let list: &[RawInput] = match call.count {
        0 => &[],
        // SAFETY: the program says that there are so many.
        count => unsafe { slice::from_raw_parts(call.inputs, count) },
    };
    let queue = list.iter().map(|input| match (input.fd, input.length) {
        // SAFETY: a descriptor that the program has given away.
        (0.., _) => Input::Fd(unsafe { OwnedFd::from_raw_fd(input.fd) }),
        (_, 0) => Input::Arg(Blob::owned(Vec::new())),
        // SAFETY: so many octets, which stay until this returns.
        (_, length) => Input::Arg(Blob::owned(unsafe { slice::from_raw_parts(input.octets.cast(), length) }.to_vec())),
    });
    // SAFETY: as for the other descriptors.
    let socket = (call.socket >= 0).then(|| unsafe { UnixStream::from_raw_fd(call.socket) });
    Inputs::new(socket, queue.collect())
}

/// Writes as much of a text as there is room for, and its NUL.
fn say(message: *mut c_char, room: usize, text: &str) {
    let length = (0..=text.len().min(room - 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    // A NUL would end it.
    let octets: Vec<u8> =
        text.as_bytes()[..length].iter().map(|octet| if *octet == 0 { b' ' } else { *octet }).collect();
    // SAFETY: the program says that there is so much room, and `length` is less.
    unsafe {
        message.cast::<u8>().copy_from_nonoverlapping(octets.as_ptr(), length);
        message.cast::<u8>().add(length).write(0);
    }
}
