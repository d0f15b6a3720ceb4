//! The program's side: loads a library, reads its table, runs its entries.

use super::{RawCall, RawEntry, RawInput, RawModule, VERSION};
use crate::blob::Blob;
use crate::entry::{Bound, Finished};
use crate::inputs::{Input, Inputs};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::ffi::{CStr, OsStr, c_char};
use std::os::fd::IntoRawFd;
use std::ptr;
use std::slice;

/// Room for the text of an error. Little, as it is made in each worker, in memory that is shared until then.
const ROOM: usize = 1024;

/// The name of the function that a module exports.
const SYMBOL: &[u8] = b"anyfork_module";

/// A module that has been loaded.
#[derive(Debug)]
pub(crate) struct Module {
    table: &'static RawModule,
    pub(crate) name: String,
    pub(crate) entries: Vec<Entry>,
}

/// An entry of a module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// With the module's name.
    pub(crate) name: &'static str,
    raw: &'static RawEntry,
}

/// Why there is no module.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// As dlopen(3) says it.
    Library(String),
    Module(String),
}

/// Loads a library and reads what it exports. Its constructors run.
pub(crate) fn open(file: &OsStr) -> Result<Module, OpenError> {
    let module = |message: &str| OpenError::Module(message.to_owned());
    // SAFETY: constructors of the library run, whatever they do: it is code that the program wants in this process.
    let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|error| OpenError::Library(error.to_string()))?;
    // Never unloaded: its entries are known from here on.
    let library = Box::leak(Box::new(library));
    // SAFETY: the function of this name has the type that `anyfork.h` gives it.
    let export = unsafe { library.get::<unsafe extern "C" fn() -> *const RawModule>(SYMBOL) };
    let Ok(export) = export else {
        return Err(module(
            "it is no module: it does not export anyfork_module (`anyfork::module!()` in Rust, `anyfork.h` in C)",
        ));
    };
    // SAFETY: as above. The version is the first field in all of them.
    let table = unsafe { export() };
    if table.is_null() {
        return Err(module("its anyfork_module returns no table"));
    }
    // SAFETY: not null, and the first field of any version.
    let version = unsafe { table.cast::<u32>().read() };
    if version != VERSION {
        let message =
            format!("it was built for version {version} of anyfork's modules, and this program for {VERSION}");
        return Err(OpenError::Module(message));
    }
    // SAFETY: of this version, and it stays as long as the library does: for ever.
    read(unsafe { &*table }).map_err(module)
}

fn read(table: &'static RawModule) -> Result<Module, &'static str> {
    let name = text(table.name).filter(|name| !name.is_empty()).ok_or("its name is no text in UTF-8")?;
    let entries: &'static [RawEntry] = match table.count {
        0 => &[],
        _ if table.entries.is_null() => return Err("it has entries, and no table of them"),
        // SAFETY: the module says that there are so many, and they stay.
        count => unsafe { slice::from_raw_parts(table.entries, count) },
    };
    let named = entries.iter().map(|raw| {
        let own = text(raw.name).ok_or("the name of an entry is no text in UTF-8")?;
        raw.run.ok_or("an entry has no function")?;
        Ok(Entry { name: Box::leak(format!("{name}::{own}").into_boxed_str()), raw })
    });
    Ok(Module { table, name: name.to_owned(), entries: named.collect::<Result<_, &str>>()? })
}

fn text(text: *const c_char) -> Option<&'static str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the module says that it is a string, and it stays.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

impl Module {
    /// Whether both are the same library, which is loaded once.
    pub(crate) fn is(&self, other: &Module) -> bool {
        ptr::eq(self.table, other.table)
    }

    pub(crate) fn has_after_fork(&self) -> bool {
        self.table.after_fork.is_some()
    }

    /// Calls its function for new forks. An error has its message.
    pub(crate) fn after_fork(&self) -> Result<(), String> {
        let mut message = vec![0u8; ROOM];
        let Some(function) = self.table.after_fork else { return Ok(()) };
        // SAFETY: the type that `anyfork.h` gives it, with the room that it is told.
        match unsafe { function(message.as_mut_ptr().cast(), message.len()) } {
            0 => Ok(()),
            code => Err(said(&message).unwrap_or_else(|| format!("it returned {code}"))),
        }
    }
}

impl Entry {
    /// Lets the entry look at its inputs. An error has its message.
    pub(crate) fn bind(self, inputs: &mut Inputs) -> Result<Bound, String> {
        let mut call = Box::new(Call::new(self.raw, inputs.take_all()));
        if let Some(check) = self.raw.check {
            // SAFETY: the type that `anyfork.h` gives it; what the call points to is in the same box.
            let refused = unsafe { check(call.raw()) } != 0;
            if refused {
                return Err(said(&call.message).unwrap_or_else(|| "the inputs were refused".to_owned()));
            }
        }
        // What it has written there without refusing is no error.
        call.message[0] = 0;
        Ok(Box::new(move || call.run(self.raw)))
    }
}

/// A call and all that it points to. In a box: the entry may keep its address from `check` to `run`.
struct Call {
    raw: RawCall,
    list: Vec<RawInput>,
    _arguments: Vec<Blob>,
    message: Vec<u8>,
}

impl Call {
    /// The descriptors are the entry's from here on.
    fn new(entry: &RawEntry, mut inputs: Inputs) -> Self {
        let socket = inputs.take_socket().map_or(-1, IntoRawFd::into_raw_fd);
        let mut arguments = Vec::new();
        let list = inputs.map(|input| match input {
            Input::Fd(fd) => RawInput { fd: fd.into_raw_fd(), octets: ptr::null(), length: 0 },
            Input::Arg(octets) => {
                let octets_at = if octets.is_empty() { ptr::null() } else { octets.as_ptr().cast() };
                let input = RawInput { fd: -1, octets: octets_at, length: octets.len() };
                // They stay where they are when the blob is moved.
                arguments.push(octets);
                input
            }
        });
        let list: Vec<RawInput> = list.collect();
        let (context, kept) = (entry.context, ptr::null_mut());
        let raw =
            RawCall { socket, count: 0, inputs: ptr::null(), context, kept, message: ptr::null_mut(), room: ROOM };
        Call { raw, list, _arguments: arguments, message: vec![0; ROOM] }
    }

    fn raw(&mut self) -> *mut RawCall {
        self.raw.count = self.list.len();
        self.raw.inputs = self.list.as_ptr();
        self.raw.message = self.message.as_mut_ptr().cast();
        &mut self.raw
    }

    fn run(&mut self, entry: &RawEntry) -> Finished {
        let Some(run) = entry.run else { return Finished::Code(1) };
        // SAFETY: as for `check`, which has been called before, if there is one.
        let returned = unsafe { run(self.raw()) };
        match (u8::try_from(returned), said(&self.message)) {
            (Ok(code), None) => Finished::Code(code),
            (Ok(code), Some(message)) => Finished::Error { code, message },
            (Err(_), _) => {
                Finished::Error { code: 1, message: format!("it returned {returned}, which is no exit status") }
            }
        }
    }
}

/// The message that was written, if one was.
fn said(message: &[u8]) -> Option<String> {
    let text = CStr::from_bytes_until_nul(message).map_or(message, CStr::to_bytes);
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}
