//! What the fuzzer of a real template has kept (`fuzz/corpus/template`), once more. The inputs of the other targets are replayed by the library's unit tests.

use anyfork_tests::{LONG, host, skipped};

const INPUTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/template");

#[test]
#[cfg_attr(anyfork_no_unshare, ignore = "there is no /proc in which threads could be counted")]
fn a_template_ends_and_leaves_nothing_whatever_it_is_told() {
    if !rustix::process::geteuid().is_root() {
        return skipped("it takes root to put processes where they can do no harm");
    }
    let mut host = host!("corpus", INPUTS);
    let count: u32 = host.fact_within(3 * LONG, "inputs").parse().unwrap();
    assert!(count >= 30, "{count} inputs in {INPUTS}");
    host.finish();
}
