//! External programs under tokio: `anyfork::Command` against `tokio::process::Command`, until their end is seen.

use crate::Loop;
use anyfork_benches::programs::{PROGRAM, resident, std_with_attributes, with_attributes};
use anyfork_benches::statistics::{Rounds, print_rate};
use std::pin::Pin;
use tokio::task::JoinSet;

const COUNT: usize = 160;
const IN_FLIGHT: usize = 8;
/// Megabytes resident in the program.
const SIZES: [usize; 2] = [5, 2000];

type Once = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is started and by whom.
const SYSTEMS: [(&str, Once); 4] = [
    ("anyfork", || {
        Box::pin(async {
            assert!(anyfork::Command::new(PROGRAM).start_status().await.expect("it starts").success());
        })
    }),
    ("tokio::process", || {
        Box::pin(async {
            assert!(tokio::process::Command::new(PROGRAM).status().await.expect("it starts").success());
        })
    }),
    ("anyfork with attributes", || {
        Box::pin(async { assert!(with_attributes().start_status().await.expect("it starts").success()) })
    }),
    ("tokio::process with attributes (fork)", || {
        Box::pin(async {
            let mut command = tokio::process::Command::from(std_with_attributes());
            assert!(command.status().await.expect("it starts").success());
        })
    }),
];

pub(crate) fn all(rounds: usize) {
    let rounds = rounds.div_ceil(2);
    println!("{PROGRAM} until its end is seen; median (quartiles) of {rounds} rounds");
    for megabytes in SIZES {
        let ballast = resident(megabytes << 20);
        for here in [Loop::current(), Loop::multi()] {
            for in_flight in [1, IN_FLIGHT] {
                println!(" {}, {in_flight} in flight, {megabytes} MB resident", here.name());
                compare(&here, in_flight, megabytes, rounds);
            }
        }
        drop(ballast);
    }
}

fn compare(here: &Loop, in_flight: usize, megabytes: usize, rounds: usize) {
    let mut results = [(); 4].map(|()| Rounds::default());
    for _ in 0..rounds {
        for (index, (rates, (_, once))) in results.iter_mut().zip(SYSTEMS).enumerate() {
            // The slow one in a time that can be waited for.
            let count = if index == 3 && megabytes > 1000 { 16 } else { COUNT };
            rates.push(here.per_second(count, window(once, count, in_flight)));
        }
    }
    for pair in [0, 2] {
        let [ours, theirs] = [pair, pair + 1].map(|index| (SYSTEMS[index].0, &results[index]));
        print_rate(ours.0, ours.1, &[("tokio::process", theirs.1, None)]);
        print_rate(theirs.0, theirs.1, &[]);
    }
}

/// Tasks that share the count.
async fn window(once: Once, count: usize, in_flight: usize) {
    if in_flight == 1 {
        for _ in 0..count {
            once().await;
        }
        return;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        tasks.spawn(async move {
            for _ in 0..count / in_flight {
                once().await;
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("it does not panic");
    }
}
