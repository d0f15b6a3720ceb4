//! Deliberate faults, so that the soaks can be seen to find them: only with `--cfg anyfork_mutants`. Otherwise nothing of this is compiled.
//!
//! The environment variable `ANYFORK_MUTANT`, as in `status:1000`, says which one there is, and that every 1000th opportunity is taken.

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(anyfork_mutants), allow(dead_code))]
pub(crate) enum Mutant {
    /// A template has a child that it does not wait for.
    Zombie,
    /// The program does not wait for a default template that has ended.
    Reap,
    /// The program does not start its default template again.
    Recover,
    /// The program does not close a pidfd.
    Close,
    /// A template does not close the socket of a process that it has forked.
    CloseInTemplate,
    /// A template reports another status.
    Status,
    /// A template does not report an end.
    Lost,
    /// The program does not free some memory.
    Leak,
    /// A template does not free some memory.
    LeakInTemplate,
    /// A template does not fork.
    Refuse,
    /// A start has no deadline.
    Deadline,
    /// A start that is dropped is not given up.
    GiveUp,
}

/// Whether it goes wrong this time.
#[cfg(not(anyfork_mutants))]
#[inline(always)]
pub(crate) const fn strikes(_: Mutant) -> bool {
    false
}

/// Memory that is not freed.
#[inline(always)]
pub(crate) fn leak(mutant: Mutant) {
    if strikes(mutant) {
        std::mem::forget(vec![1_u8; 1000]);
    }
}

#[cfg(anyfork_mutants)]
pub(crate) use striking::strikes;

#[cfg(anyfork_mutants)]
mod striking {
    use super::Mutant;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static CHOSEN: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static OPPORTUNITIES: AtomicU32 = AtomicU32::new(0);

    pub(crate) fn strikes(mutant: Mutant) -> bool {
        let chosen = CHOSEN.get_or_init(|| {
            let text = std::env::var("ANYFORK_MUTANT").ok()?;
            let (name, every) = text.split_once(':')?;
            Some((name.to_owned(), every.parse().ok().filter(|every| *every > 0)?))
        });
        let Some((_, every)) = chosen.as_ref().filter(|(name, _)| *name == format!("{mutant:?}")) else { return false };
        (OPPORTUNITIES.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(*every)
    }
}
