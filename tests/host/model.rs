//! A host that does everything that can be done with templates, workers and programs, in random order, and compares each answer with what a model of it allows.

#[path = "model/ending.rs"]
mod ending;

#[path = "model/operation.rs"]
mod operation;

#[path = "model/oracle.rs"]
mod oracle;

#[path = "model/process.rs"]
mod process;

#[path = "model/template.rs"]
mod template;

#[path = "model/witness.rs"]
mod witness;

#[path = "model/world.rs"]
mod world;

use crate::{Outcome, say};
use operation::Operation;
use oracle::Before;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::Cell;
use world::World;

/// An answer that the model does not allow.
type Wrong = String;

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let [seed, cases] = arguments else { return Err("which seed, how many cases?".into()) };
    let (seed, cases): (u64, u64) = (seed.parse()?, cases.parse()?);
    let before = Before::look()?;
    let operations = Cell::new(0);
    for seed in (0..cases).map(|case| seed.wrapping_add(case)) {
        if let Err(failure) = case(seed, &before, &operations) {
            eprintln!("ANYFORK_MODEL_SEED={seed} ANYFORK_MODEL_CASES=1\n{failure}");
            say("result", "wrong");
            return Ok(());
        }
    }
    say("operations", operations.get());
    say("result", "right");
    Ok(())
}

/// One sequence of operations; if it goes wrong, the shortest that does so, too, as far as that is found.
fn case(seed: u64, before: &Before, operations: &Cell<usize>) -> Result<(), String> {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 300,
        max_shrink_time: 40_000,
        ..Config::default()
    };
    let mut octets = [0; 32];
    octets[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &octets));
    let result = runner.run(&operation::sequences(), |sequence| {
        operations.set(operations.get() + sequence.len());
        play(&sequence, before).inspect_err(|_| oracle::clear()).map_err(TestCaseError::fail)
    });
    result.map_err(|error| match error {
        TestError::Fail(reason, sequence) => {
            let lines: Vec<String> = sequence.iter().map(|operation| format!("{operation:?}")).collect();
            format!("{reason}, after\n{}", lines.join("\n"))
        }
        TestError::Abort(reason) => reason.to_string(),
    })
}

fn play(sequence: &[Operation], before: &Before) -> Result<(), Wrong> {
    witness::forget();
    let mut world = World::default();
    for (index, operation) in sequence.iter().enumerate() {
        world.perform(*operation).map_err(|wrong| format!("{wrong} (operation {index}, {operation:?})"))?;
    }
    world.settle().map_err(|wrong| format!("{wrong} (at the end)"))?;
    let given_up = world.given_up().to_vec();
    drop(world);
    // When no process is left that could enter.
    before.compare().and(witness::check(&given_up))
}
