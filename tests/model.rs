//! Templates, workers and programs are started, killed, stopped, dropped and given up in random order, against a model that says what each call may answer (`host/model`).
//!
//! `ANYFORK_MODEL_CASES` (60 if nothing is said) sequences of up to 30 operations. A failure is shrunk, and printed with the seed of its case: `ANYFORK_MODEL_SEED` begins with that one.

use anyfork_tests::{host, wait_until};
use std::time::Duration;

/// Most of it for shrinking; a case takes about 0.1 s, and much longer on a busy machine.
const LIMIT: Duration = Duration::from_secs(100);

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds signals and statuses need the template, which may be gone")]
fn whatever_is_done_in_whatever_order_each_call_answers_as_the_model_says() {
    let cases = number("ANYFORK_MODEL_CASES").unwrap_or(60);
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seed = number("ANYFORK_MODEL_SEED").unwrap_or(clock.as_nanos() as u64);
    println!("ANYFORK_MODEL_SEED={seed} ANYFORK_MODEL_CASES={cases}");
    let mut host = host!("model", &seed.to_string(), &cases.to_string());
    let result = host.fact_within(LIMIT.max(Duration::from_secs(2 * cases)), "result");
    assert!(result == "right", "{}", host.errors());
    let operations = host.number("operations");
    assert!(u64::from(operations) >= cases, "{operations} operations in {cases} cases");
    host.finish();
    assert!(wait_until(anyfork_tests::SOON, || host.family().is_empty()), "{:?}", host.family());
}
