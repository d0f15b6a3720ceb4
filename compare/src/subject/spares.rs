//! Workers that were forked in advance.

use super::anyfork::{run, template, wait_for_byte};
use super::pace::{latencies, rate};
use crate::wire::{Reply, Request};
use anyfork::Template;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How many wait.
const SPARES: RangeInclusive<usize> = 4..=16;
/// How many wait for a burst that is larger.
const OF_A_BURST: RangeInclusive<usize> = 4..=8;

/// To the end (`spares`), or to the first byte: in the open loop, one after another (`closed`), more at once than wait (`burst`), and the
/// same with none (`burst-without`).
pub(super) fn measure(kept: &mut Option<Template>, request: &Request, part: &str) -> Reply {
    match part {
        "burst" => burst(request, OF_A_BURST),
        "burst-without" => burst(request, 0..=0),
        "spares" => {
            let template = usual(kept);
            rate(request, |in_flight| run(template, in_flight))
        }
        _ => {
            let template = usual(kept);
            latencies(request, || wait_for_byte(template))
        }
    }
}

fn usual(kept: &mut Option<Template>) -> &Template {
    let template = kept.get_or_insert_with(|| with_spares(SPARES));
    wait_for(template, *SPARES.start() + 1);
    template
}

fn burst(request: &Request, spares: RangeInclusive<usize>) -> Reply {
    let template = with_spares(spares);
    rate(request, |in_flight| run(&template, in_flight))
}

fn with_spares(spares: RangeInclusive<usize>) -> Template {
    let (template, all) = (template(), *spares.end());
    template.spares(spares).expect("spares");
    wait_for(&template, all);
    template
}

fn wait_for(template: &Template, spares: usize) {
    let start = Instant::now();
    while template.spares_waiting() < spares {
        assert!(start.elapsed() < Duration::from_secs(10), "{spares} spares, after ten seconds");
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// KiB of a spare that waits, private.
pub(super) fn memory() -> u64 {
    with_spares(SPARES).spares_memory() / 1024 / *SPARES.end() as u64
}
