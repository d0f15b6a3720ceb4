//! Each soak turns red, for the right reason, when the library has the fault that it is to find. With `--cfg anyfork_mutants` only: `cargo xtask test` builds it so.
#![cfg(anyfork_mutants)]

use serde_json::Value;
use std::process::Command;

/// What a soak finds with a mutant: the oracles by name, sorted.
fn found(mutant: &str, soak: &str, workers: u32) -> Vec<String> {
    let file = std::env::temp_dir().join(format!(
        "anyfork-mutant-{}-{soak}-{}.json",
        mutant.replace(':', "-"),
        std::process::id()
    ));
    let (workers, json) = (workers.to_string(), file.to_str().expect("UTF-8"));
    let arguments = ["--soak", soak, "--workers", &workers, "--seed", "7", "--patience", "3", "--json", json];
    let output = Command::new(env!("CARGO_BIN_EXE_soak")).args(arguments).env("ANYFORK_MUTANT", mutant).output();
    let output = output.expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let report = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {text}"));
    let _ = std::fs::remove_file(&file);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let found: Vec<String> = report[0]["troubles"].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(output.status.success(), found.is_empty(), "{text}");
    found
}

#[test]
fn without_a_mutant_nothing_is_found() {
    assert_eq!(found("none:1", "plain", 6000), [""; 0]);
    assert_eq!(found("none:1", "faults", 2000), [""; 0]);
}

#[test]
fn a_wrong_status_is_found() {
    assert_eq!(found("Status:1000", "plain", 3000), ["status"]);
    assert_eq!(found("Status:500", "programs", 20_000), ["status"]);
    assert_eq!(found("Status:100", "spares", 5000), ["status"]);
    assert_eq!(found("Status:100", "live", 500), ["status"]);
}

#[test]
fn a_lost_status_is_found() {
    assert_eq!(found("Lost:1500", "plain", 3000), ["lost"]);
}

#[test]
fn a_start_that_fails_without_a_fault_is_found() {
    assert_eq!(found("Refuse:1000", "plain", 3000), ["errors"]);
}

#[test]
fn a_zombie_of_a_template_is_found() {
    assert_eq!(found("Zombie:1000", "plain", 3000), ["zombies"]);
}

#[test]
fn a_template_that_the_program_does_not_wait_for_is_found() {
    assert_eq!(found("Reap:1", "faults", 5000), ["zombies"]);
}

/// After that the program cannot go on to its end.
#[test]
fn a_default_template_that_is_not_started_again_is_found() {
    assert_eq!(found("Recover:1", "faults", 2500), ["program", "recovery"]);
}

#[test]
fn a_descriptor_that_the_program_does_not_close_is_found() {
    assert_eq!(found("Close:1000", "plain", 3000), ["descriptors"]);
    assert_eq!(found("Close:50", "python", 50_000), ["descriptors"]);
}

#[test]
fn a_descriptor_that_a_template_does_not_close_is_found() {
    assert_eq!(found("CloseInTemplate:1000", "plain", 3000), ["descriptors"]);
}

#[test]
fn memory_that_the_program_does_not_free_is_found() {
    assert_eq!(found("Leak:5", "plain", 6000), ["memory"]);
}

#[test]
fn memory_that_a_template_does_not_free_is_found() {
    assert_eq!(found("LeakInTemplate:5", "plain", 6000), ["memory"]);
}

#[test]
fn a_deadline_that_is_not_kept_is_found() {
    assert_eq!(found("Deadline:1", "faults", 500), ["deadline"]);
}

#[test]
fn a_start_that_is_not_given_up_is_found() {
    assert_eq!(found("GiveUp:2", "faults", 5000), ["left"]);
}
