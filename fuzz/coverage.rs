//! What the fuzzer knows of the paths that code takes: counters in a section of the program, one octet for each edge. Forks count in memory of their own, so
//! it is made memory that they share.

use std::ffi::c_void;

// By way of the assembler: where the instrumentation finds these names declared, it invents others.
std::arch::global_asm!(
    ".pushsection .data.rel.ro, \"aw\"",
    ".balign 8",
    "anyfork_counters:",
    ".quad __start___sancov_cntrs",
    ".quad __stop___sancov_cntrs",
    ".popsection",
);

unsafe extern "C" {
    #[link_name = "anyfork_counters"]
    safe static COUNTERS: [usize; 2];
}

/// Replaces the pages of the counters by others that forks share. At its ends, where other variables are on the same page, nothing is shared.
pub(crate) fn share() {
    const PAGE: usize = 4096;
    let [start, stop] = COUNTERS;
    let (first, last) = (start.next_multiple_of(PAGE), stop / PAGE * PAGE);
    assert!(first < last, "the program has few edges");
    let length = last - first;
    // SAFETY: the pages hold counters alone, which only code adds to, and no code runs beside this one.
    unsafe {
        let before = std::slice::from_raw_parts(first as *const u8, length).to_vec();
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let at = libc::mmap(first as *mut c_void, length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        assert_eq!(at as usize, first);
        std::ptr::copy_nonoverlapping(before.as_ptr(), first as *mut u8, length);
    }
}
