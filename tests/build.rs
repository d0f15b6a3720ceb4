//! Compiles the C constructors that are linked into the host program: some before anyfork's own, one behind it.

fn main() {
    println!("cargo::rerun-if-changed=host/early.c");
    println!("cargo::rerun-if-changed=host/late.c");
    for file in ["host/early.c", "host/late.c"] {
        for object in cc::Build::new().file(file).cargo_metadata(false).compile_intermediates() {
            // Arguments come last on the linker's command line, and `.init_array` is in that order.
            println!("cargo::rustc-link-arg-bin=host={}", object.display());
        }
    }
}
