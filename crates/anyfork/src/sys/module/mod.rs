//! Modules at their boundary: the C tables of `include/anyfork.h`, loaded by a program (`import`) and made by a library in Rust (`export`).
//!
//! # Safety
//! Only C types cross: both sides may be of different compilers, with different copies of std and of this crate. A library is loaded by dlopen(3) and never unloaded,
//! so that what it exports stays. What a module does with its own pointers is as safe as that module: it is code of the process.
#![allow(unsafe_code)]

mod export;
mod import;

pub use export::export;
pub(crate) use import::{Entry, Module, OpenError, open};
use std::ffi::{c_char, c_int, c_void};

/// What must be the same in the program and in the module.
const VERSION: u32 = 1;

/// `struct anyfork_input`.
#[repr(C)]
struct RawInput {
    fd: c_int,
    octets: *const c_void,
    length: usize,
}

/// `struct anyfork_call`.
#[repr(C)]
struct RawCall {
    socket: c_int,
    count: usize,
    inputs: *const RawInput,
    context: *const c_void,
    kept: *mut c_void,
    message: *mut c_char,
    room: usize,
}

/// `struct anyfork_entry`.
#[repr(C)]
#[derive(Debug)]
struct RawEntry {
    name: *const c_char,
    check: Option<unsafe extern "C" fn(*mut RawCall) -> c_int>,
    run: Option<unsafe extern "C" fn(*mut RawCall) -> c_int>,
    context: *const c_void,
}

/// `struct anyfork_table`.
#[doc(hidden)]
#[repr(C)]
#[derive(Debug)]
pub struct RawModule {
    version: u32,
    name: *const c_char,
    count: usize,
    entries: *const RawEntry,
    after_fork: Option<unsafe extern "C" fn(*mut c_char, usize) -> c_int>,
}

// SAFETY: a table and what it points to is never changed after it was made.
unsafe impl Sync for RawModule {}
// SAFETY: as above.
unsafe impl Send for RawModule {}
// SAFETY: as above.
unsafe impl Sync for RawEntry {}
// SAFETY: as above.
unsafe impl Send for RawEntry {}
