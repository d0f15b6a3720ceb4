//! Which process this is among its forks: a number that none of them has. Not the process number, which a fork may have too: in a namespace of its own, where both are
//! number 1, or when its maker has ended and the number was given again.
//!
//! # Safety
//! mmap(2) and madvise(2) on a page of its own, which is never unmapped once others may know it.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// The next number. A fork has a copy, so what it takes from there is above all that its makers have had.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Where the number of this process is: on a page that is zero in a fork.
static PLACE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// The number of this process.
pub(crate) fn number() -> u64 {
    let Some(place) = place() else { return std::process::id().into() };
    match place.load(Ordering::Relaxed) {
        0 => {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            // Another thread may have been faster.
            place.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed).map_or_else(|number| number, |_| new)
        }
        number => number,
    }
}

/// `None` where the kernel has no such pages: before Linux 4.14, and in some that imitate it.
fn place() -> Option<&'static AtomicU64> {
    let mut place = PLACE.load(Ordering::Acquire);
    if place.is_null() {
        let new = wiped_page().unwrap_or_else(refused);
        place = match PLACE.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            Err(first) => {
                discard(new);
                first
            }
        };
    }
    // SAFETY: either the page, which is mapped for ever, aligned, and zero at first, or a static.
    (place != refused()).then(|| unsafe { &*place })
}

/// What stands for a page that cannot be had.
fn refused() -> *mut AtomicU64 {
    (&raw const NEXT).cast_mut()
}

/// Every machine that this runs on has pages of this size, or the kernel takes a whole one.
const SIZE: usize = 4096;

fn wiped_page() -> Option<*mut AtomicU64> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that is there.
    let page = unsafe { libc::mmap(ptr::null_mut(), SIZE, access, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the mapping has just been made.
    let is_wiped = unsafe { libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) } == 0;
    if !is_wiped {
        discard(page.cast());
    }
    is_wiped.then_some(page.cast())
}

/// Of a page that nobody else knows.
fn discard(page: *mut AtomicU64) {
    if page != refused() {
        // SAFETY: made by `wiped_page`, and its address was given to nobody.
        unsafe { libc::munmap(page.cast(), SIZE) };
    }
}
