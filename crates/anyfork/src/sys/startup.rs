//! Code that the loader runs before `main`: notices that anyfork started this process, and takes it over.
//!
//! # Safety
//! A pointer in `.init_array` is called once, by the loader, with one thread, after the C library has set itself up and
//! after the constructors of all shared libraries; Rust's standard library is used by then as it would be by any constructor.
#![allow(unsafe_code)]

use super::image;
#[cfg(target_env = "gnu")]
use super::title;
use crate::handover;
use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

static RAN: AtomicBool = AtomicBool::new(false);

/// Whether [`before_main`] (or `init`) has looked at this process: without that, an exec of the program would run its `main` again.
pub(crate) fn ran() -> bool {
    RAN.load(Ordering::Relaxed)
}

pub(crate) fn set_ran() {
    RAN.store(true, Ordering::Relaxed);
}

/// Whether this code is part of the program itself, so that an exec of the program brings it back.
pub(crate) fn is_in_main_program() -> bool {
    image::is_in_main_program(before_main as *const () as usize)
}

#[cfg(feature = "auto")]
#[used]
// SAFETY: the section holds pointers to functions of this type, called once before `main`.
#[unsafe(link_section = ".init_array")]
static HOOK: image::Constructor = before_main;

#[cfg_attr(not(feature = "auto"), allow(dead_code))]
unsafe extern "C" fn before_main(count: c_int, arguments: *const *const c_char, environment: *const *const c_char) {
    set_ran();
    // In a shared library this is not the program that anyfork started; the program's own hook comes later.
    if !handover::is_pending() || !is_in_main_program() {
        return;
    }
    // A panic must not unwind into the loader.
    let handed_over = std::panic::catch_unwind(handover::take).unwrap_or(None);
    let Some(server) = handed_over else { return };
    // Other loaders do not pass them.
    #[cfg(target_env = "gnu")]
    // SAFETY: the loader passes those of `main`.
    unsafe {
        title::claim_argument(arguments)
    };
    // The C and C++ libraries linked into this program have their constructors in the rest of the array.
    for constructor in image::constructors_after(before_main) {
        // SAFETY: what the loader would do next, with the arguments it gave to this function.
        unsafe { constructor(count, arguments, environment) };
    }
    server.serve()
}
