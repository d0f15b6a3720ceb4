#![no_main]

#[path = "../coverage.rs"]
mod coverage;
#[path = "../template/mod.rs"]
mod template;

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use template::Arena;

thread_local! {
    static ARENA: RefCell<Option<Arena>> = const { RefCell::new(None) };
}

fuzz_target!(
    init: {
        // Before the fuzzer has threads, and before there are forks that are to be seen.
        coverage::share();
        ARENA.set(Some(Arena::new().expect("it takes root")));
    },
    |octets: &[u8]| {
        ARENA.with_borrow_mut(|arena| arena.as_mut().expect("made by init").run(octets));
    }
);
