//! `numpy`: Python workers from a template that has numpy imported.

use crate::support::run;
use std::path::PathBuf;

#[test]
fn workers_solve_their_equations_with_the_numpy_of_the_template() {
    let lines = run("numpy", &["--workers", "3", "--size", "50", "--python", &python()]);
    let workers: Vec<&String> = lines.iter().filter(|line| line.starts_with("worker ")).collect();
    assert_eq!(workers.len(), 3, "{lines:#?}");
    for (seed, line) in workers.iter().enumerate() {
        assert!(line.starts_with(&format!("worker {seed}: largest error ")), "{lines:#?}");
        let error = line.split_whitespace().nth(4).and_then(|number| number.parse().ok());
        assert!(error.is_some_and(|error: f64| error < 1e-6), "{lines:#?}");
        assert!(line.contains("exit status: 0"), "{lines:#?}");
    }
    // Each has a random generator of its own.
    let distinct: std::collections::BTreeSet<_> = workers.iter().map(|line| line.split_whitespace().nth(4)).collect();
    assert!(distinct.len() > 1, "{lines:#?}");
}

/// Of the virtual environment that `cargo xtask test` makes. Tests are in target/PROFILE/deps.
fn python() -> String {
    let test = std::env::current_exe().expect("the path of this test");
    let python: PathBuf = test.ancestors().nth(3).expect("a test is three levels deep").join("venv/bin/python3");
    assert!(python.exists(), "{} is not there: `cargo xtask test` makes it", python.display());
    python.to_string_lossy().into_owned()
}
