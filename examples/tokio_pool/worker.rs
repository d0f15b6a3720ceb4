//! What runs in the template, once, and in each worker.

use crate::message::{Messages, Reply, Request, Task};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Made in the template, before the forks: all workers share the memory.
static PRIMES: OnceLock<Vec<u64>> = OnceLock::new();

/// Prepares the template: all primes up to `limit`, by the sieve of Eratosthenes.
#[anyfork::entry]
pub(crate) fn prepare(limit: usize) {
    let mut composite = vec![false; limit + 1];
    let mut primes = Vec::new();
    for number in 2..=limit {
        if composite[number] {
            continue;
        }
        primes.push(number as u64);
        for multiple in (number * number..=limit).step_by(number) {
            composite[multiple] = true;
        }
    }
    PRIMES.get_or_init(|| primes);
}

/// Runs in each worker: does one job after the other until the main program closes the socket.
///
/// The runtime is made for it in the new process. A template can have none: it has one thread, and a runtime's
/// descriptors must not be shared by forks.
#[anyfork::entry(tokio)]
pub(crate) async fn work(socket: UnixStream) -> io::Result<()> {
    // The terminal sends Ctrl-C to all of the program's processes. When a worker ends is for the main program to say;
    // taking the signal and doing nothing with it is to ignore it.
    let _interrupts = signal(SignalKind::interrupt())?;
    let mut messages = Messages::from_std(socket)?;
    while let Some(Request { job, task }) = messages.receive().await? {
        let outcome = perform(task).await;
        messages.send(&Reply { job, outcome }).await?;
    }
    Ok(())
}

async fn perform(task: Task) -> Result<Vec<u64>, String> {
    match task {
        Task::Factor { number, milliseconds } => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            factor(number, PRIMES.get().map_or(&[], Vec::as_slice))
        }
        Task::Abort => std::process::abort(),
    }
}

fn factor(number: u64, primes: &[u64]) -> Result<Vec<u64>, String> {
    if number < 2 {
        return Err(format!("{number} has no prime factors"));
    }
    let mut rest = number;
    let mut factors = Vec::new();
    for &prime in primes.iter().take_while(|prime| *prime * *prime <= number) {
        while rest.is_multiple_of(prime) {
            factors.push(prime);
            rest /= prime;
        }
    }
    // What has no factor up to its root is a prime, if the primes reach that far.
    let tried = primes.last().copied().unwrap_or(1);
    if rest > tried.saturating_mul(tried) {
        return Err(format!("{number} is too large"));
    }
    factors.extend((rest > 1).then_some(rest));
    Ok(factors)
}
