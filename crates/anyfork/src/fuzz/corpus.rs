//! The inputs that the fuzzers have kept, once more: each made something happen that no other did, or was a finding.

use std::path::Path;

/// A target has at least so many.
const FEWEST: usize = 10;

/// A published crate has no corpus, and is told from the repository by this file.
const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.cargo_vcs_info.json");

fn replay(name: &str, target: fn(&[u8])) {
    if Path::new(PUBLISHED).exists() {
        return;
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let files = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        let octets = std::fs::read(&path).unwrap();
        // Shown only if it fails.
        eprintln!("{}", path.display());
        target(&octets);
        count += 1;
    }
    assert!(count >= FEWEST, "{count} inputs in {}", directory.display());
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name), super::$name);
            }
        )+
    };
}

targets!(frames handover orders programs replies);
