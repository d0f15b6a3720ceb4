//! Processes that have ended and that nobody has waited for.

use crate::family::Member;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Who has been seen dead, since when, and whether that has been told.
#[derive(Debug)]
pub(crate) struct Zombies {
    /// A process may be dead for so long: its parent has others to wait for.
    limit: Duration,
    seen: HashMap<(u32, u64), (Instant, bool)>,
}

impl Zombies {
    pub(crate) fn new(limit: Duration) -> Self {
        Zombies { limit, seen: HashMap::new() }
    }

    /// Those that have been dead for too long, each once. A stopped parent cannot wait, and one outside of the family is not ours.
    pub(crate) fn look(&mut self, family: &[Member], now: Instant) -> Vec<Member> {
        let can_wait = |pid: u32| family.iter().any(|it| it.pid == pid && !it.is_dead() && it.state != 'T');
        let dead: Vec<&Member> = family.iter().filter(|member| member.is_dead() && can_wait(member.parent)).collect();
        self.seen.retain(|key, _| dead.iter().any(|member| (member.pid, member.began) == *key));
        let mut stay = Vec::new();
        for member in dead {
            let (since, is_told) = self.seen.entry((member.pid, member.began)).or_insert((now, false));
            if !*is_told && now.duration_since(*since) >= self.limit {
                *is_told = true;
                stay.push(*member);
            }
        }
        stay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(states: [char; 2]) -> [Member; 2] {
        let [parent, child] = states;
        [Member::new(10, parent, 1, 5), Member::new(11, child, 10, 6)]
    }

    #[test]
    fn one_that_stays_is_told_once() {
        let (mut zombies, start) = (Zombies::new(Duration::from_secs(1)), Instant::now());
        let mut look = |states, ms| zombies.look(&family(states), start + Duration::from_millis(ms)).len();
        assert_eq!(look(['S', 'Z'], 0), 0);
        assert_eq!(look(['S', 'Z'], 900), 0);
        assert_eq!(look(['S', 'Z'], 1100), 1);
        assert_eq!(look(['S', 'Z'], 2200), 0);
    }

    #[test]
    fn a_stopped_parent_has_its_time_again() {
        let (mut zombies, start) = (Zombies::new(Duration::from_secs(1)), Instant::now());
        let mut look = |states, ms| zombies.look(&family(states), start + Duration::from_millis(ms)).len();
        assert_eq!(look(['S', 'Z'], 0), 0);
        assert_eq!(look(['T', 'Z'], 1500), 0);
        assert_eq!(look(['S', 'Z'], 1600), 0);
        assert_eq!(look(['S', 'Z'], 2700), 1);
        assert_eq!(look(['S', 'S'], 2800), 0);
    }
}
