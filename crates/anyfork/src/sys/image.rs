//! The program's image in memory, as dl_iterate_phdr(3) shows it: whose code this is, and what constructors it has.
//!
//! # Safety
//! The headers that the loader hands out describe mapped memory for as long as the object is loaded, and the
//! main program is never unloaded.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

/// A constructor as glibc calls it. Other C libraries pass nothing, which such a function does not notice.
pub(crate) type Constructor = unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// A number that differs between two builds of a program: a hash of its segments and notes (the linker's build id is one).
pub(crate) fn fingerprint() -> u64 {
    main_program(|object| {
        let mut hash = Fnv::new();
        for header in object.headers {
            for value in [u64::from(header.p_type), header.p_vaddr, header.p_filesz, header.p_memsz] {
                hash.update(&value.to_le_bytes());
            }
            if header.p_type == libc::PT_NOTE {
                // SAFETY: a note segment of a loaded object is mapped, `p_memsz` bytes at base + `p_vaddr`.
                let note = unsafe {
                    std::slice::from_raw_parts(object.at(header.p_vaddr) as *const u8, header.p_memsz as usize)
                };
                hash.update(note);
            }
        }
        hash.0
    })
    .unwrap_or(0)
}

/// Whether `address` is code of the main program, not of a shared library: only then an exec of the program brings it back.
pub(crate) fn is_in_main_program(address: usize) -> bool {
    main_program(|object| {
        object.headers.iter().filter(|header| header.p_type == libc::PT_LOAD).any(|header| {
            let start = object.at(header.p_vaddr);
            (start..start + header.p_memsz as usize).contains(&address)
        })
    })
    .unwrap_or(false)
}

/// The constructors of the main program that the loader would run after `hook`.
pub(crate) fn constructors_after(hook: Constructor) -> Vec<Constructor> {
    main_program(|object| {
        let array = object.init_array()?;
        let position = array.iter().position(|entry| entry.is_some_and(|entry| entry as usize == hook as usize))?;
        Some(array[position + 1..].iter().filter_map(|entry| *entry).collect())
    })
    .flatten()
    .unwrap_or_default()
}

struct Object<'a> {
    base: usize,
    headers: &'a [libc::Elf64_Phdr],
}

impl Object<'_> {
    fn at(&self, vaddr: u64) -> usize {
        self.base.wrapping_add(vaddr as usize)
    }

    fn init_array(&self) -> Option<&'static [Option<Constructor>]> {
        const DT_INIT_ARRAY: i64 = 25;
        const DT_INIT_ARRAYSZ: i64 = 27;
        let header = self.headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC)?;
        // SAFETY: the dynamic section of a loaded object is mapped; it is an array of pairs of words.
        let entries = unsafe {
            std::slice::from_raw_parts(
                self.at(header.p_vaddr) as *const [i64; 2],
                header.p_memsz as usize / size_of::<[i64; 2]>(),
            )
        };
        let value = |tag| entries.iter().find(|entry| entry[0] == tag).map(|entry| entry[1] as u64);
        let (start, bytes) = (value(DT_INIT_ARRAY)?, value(DT_INIT_ARRAYSZ)? as usize);
        // SAFETY: the two tags describe an array of relocated function pointers (null ones allowed) in mapped memory.
        Some(unsafe {
            std::slice::from_raw_parts(self.at(start) as *const Option<Constructor>, bytes / size_of::<usize>())
        })
    }
}

/// Calls `look` with the main program, which the loader lists first.
fn main_program<R>(look: impl FnOnce(&Object<'_>) -> R) -> Option<R> {
    struct Call<F, R> {
        look: Option<F>,
        result: Option<R>,
    }
    unsafe extern "C" fn first<F: FnOnce(&Object<'_>) -> R, R>(
        info: *mut libc::dl_phdr_info,
        _: usize,
        call: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader passes a valid object, and back the pointer that was given to dl_iterate_phdr below.
        let (info, call) = unsafe { (&*info, &mut *call.cast::<Call<F, R>>()) };
        // SAFETY: address and number of the object's program headers.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        if let Some(look) = call.look.take() {
            call.result = Some(look(&Object { base: info.dlpi_addr as usize, headers }));
        }
        1
    }
    fn callback<F: FnOnce(&Object<'_>) -> R, R>(
        _: &Call<F, R>,
    ) -> unsafe extern "C" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int {
        first::<F, R>
    }
    let mut call = Call { look: Some(look), result: None };
    let function = callback(&call);
    // SAFETY: the callback gets the pointer to `call`, which outlives the iteration and has the type it expects.
    unsafe { libc::dl_iterate_phdr(Some(function), (&raw mut call).cast()) };
    call.result
}

/// FNV-1a: short, and enough to tell builds apart; nothing depends on its being hard to forge.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_code_is_in_the_main_program_and_libc_is_not() {
        assert!(is_in_main_program(fingerprint as *const () as usize));
        assert!(!is_in_main_program(libc::malloc as *const () as usize));
    }

    #[test]
    fn the_fingerprint_does_not_change_while_the_program_runs() {
        assert_eq!(fingerprint(), fingerprint());
        assert_ne!(fingerprint(), 0);
    }
}
