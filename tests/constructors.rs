//! Constructors of linked C code have run, once, before an entry runs, though anyfork takes over in one itself.

use anyfork_tests::host;

#[test]
fn c_constructors_before_and_behind_the_hook_have_run_once() {
    let mut host = host!("constructors");
    for origin in ["default", "nested", "exec"] {
        // The last two numbers prove that one came before anyfork's hook and the other after it.
        assert_eq!(host.fact(origin), "1 1 1 0", "{origin}");
    }
    host.finish();
}
