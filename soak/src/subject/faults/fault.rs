//! What can go wrong.

use fastrand::Rng;
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    KillWorker,
    KillChild,
    KillTemplate,
    KillDefault,
    KillBoth,
    Stop,
    StopForLong,
    NoDescriptors,
    NoProcesses,
    Drop,
    Hurry,
}

/// How often each is chosen: those that take long seldom.
const WEIGHTS: [(Fault, u32, &str); 11] = [
    (Fault::KillWorker, 20, "a worker killed"),
    (Fault::KillChild, 15, "a child of the template killed"),
    (Fault::KillTemplate, 10, "the template killed"),
    (Fault::KillDefault, 8, "the default template killed"),
    (Fault::KillBoth, 4, "both templates killed"),
    (Fault::Stop, 5, "the template stopped"),
    (Fault::StopForLong, 0, "the template stopped for long"),
    (Fault::NoDescriptors, 10, "no room for descriptors"),
    (Fault::NoProcesses, 10, "no room for processes"),
    (Fault::Drop, 9, "starts dropped"),
    (Fault::Hurry, 9, "starts without time"),
];

impl Fault {
    pub(super) fn any(rng: &mut Rng) -> Self {
        let mut at = rng.u32(0..WEIGHTS.iter().map(|(_, weight, _)| weight).sum());
        for (fault, weight, _) in WEIGHTS {
            if at < weight {
                return fault;
            }
            at -= weight;
        }
        Fault::KillWorker
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = WEIGHTS.iter().find(|(fault, ..)| fault == self).map_or("?", |(.., name)| name);
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_with_a_weight_is_chosen() {
        let mut rng = Rng::with_seed(1);
        let chosen: Vec<Fault> = (0..2000).map(|_| Fault::any(&mut rng)).collect();
        for (fault, weight, _) in WEIGHTS {
            assert_eq!(chosen.contains(&fault), weight > 0, "{fault}");
        }
    }
}
