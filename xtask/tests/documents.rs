//! Documents name tests: those are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where tests are named.
const DOCUMENTS: [&str; 3] = ["HAZARDS.md", "SECURITY.md", "tests/faults/README.md"];

/// Where they are.
const PLACES: [&str; 6] = ["tests", "conformance", "crates", "soak", "examples", "fuzz"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

#[test]
fn each_test_that_a_document_names_is_there() {
    let mut known = BTreeSet::new();
    PLACES.iter().for_each(|place| collect(&root().join(place), &mut known));
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).expect("a document");
        let names: Vec<&str> = text.split('`').skip(1).step_by(2).filter_map(name).collect();
        assert!(names.len() > 10, "{document} names tests");
        let unknown = names.into_iter().filter(|name| !is_known(name, &known));
        missing.extend(unknown.map(|name| format!("{document}: {name}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_is_left_out_of_a_name_may_be_anything() {
    let known = BTreeSet::from(["a_worker_that_is_killed".to_owned()]);
    for name in ["a_worker_that_is_killed", "a_worker_…", "…_is_killed", "a_…_killed", "a_…_that_…_killed"] {
        assert!(is_known(name, &known), "{name}");
    }
    for name in ["a_worker_that", "a_spare_…", "…_is_stopped", "worker_…", "a_…_killed_…_killed"] {
        assert!(!is_known(name, &known), "{name}");
    }
}

/// The name of a test, if what stands between two backticks is one: `file: module::a_name_of_several_words`.
fn name(quoted: &str) -> Option<&str> {
    let name = quoted.rsplit([' ', ':']).next()?;
    let is_one = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '…');
    (is_one && name.matches('_').count() >= 3).then_some(name)
}

/// Names may be shortened by an ellipsis.
fn is_known(name: &str, known: &BTreeSet<String>) -> bool {
    let (first, rest) = name.split_once('…').unzip();
    let (Some(first), Some(rest)) = (first, rest) else { return known.contains(name) };
    known.iter().any(|known| known.strip_prefix(first).is_some_and(|known| matches(rest, known)))
}

/// What follows an ellipsis.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('…') {
        None => text.ends_with(pattern),
        Some((part, rest)) => text.find(part).is_some_and(|at| matches(rest, &text[at + part.len()..])),
    }
}

/// All words of several parts in the sources, as some tests are made by macros.
fn collect(place: &Path, known: &mut BTreeSet<String>) {
    if place.is_file() {
        let text = fs::read_to_string(place).expect("a source");
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        return known.extend(words.filter(|word| word.contains('_')).map(str::to_owned));
    }
    let inside = fs::read_dir(place).expect("a directory").map(|entry| entry.expect("an entry").path());
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let is_ours = |path: &PathBuf| path.is_dir() && path.file_name().is_some_and(|name| name != "target");
    inside.filter(|path| is_source(path) || is_ours(path)).for_each(|path| collect(&path, known));
}
