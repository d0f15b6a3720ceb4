//! What is done, and how often.

use proptest::prelude::*;

/// The longest sequence.
const LONGEST: usize = 30;

/// The nth of those that are there, counted around. Nothing is done if there is none.
pub(super) type Nth = u8;

/// What is started.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A process that runs an entry.
    Worker,
    /// An external program.
    Program,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) kind: Kind,
    pub(super) kill_on_drop: bool,
    pub(super) die_with_owner: bool,
}

/// `None` for a template: the default template. `Template::restart` would be one more here, and another method of `World`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    MakeTemplate {
        of: Option<Nth>,
    },
    Run {
        of: Option<Nth>,
        manner: Manner,
    },
    /// Does not wait.
    Start {
        of: Option<Nth>,
        manner: Manner,
    },
    /// Asks a start under way whether it has finished.
    Finish(Nth),
    /// Drops a start under way.
    GiveUp(Nth),
    /// Lets a process end with this code.
    Release(Nth, u8),
    /// A byte to a worker and back.
    Talk(Nth),
    Terminate(Nth),
    Kill(Nth),
    Stop(Nth),
    Continue(Nth),
    /// Asks for a status, without and with waiting.
    Ask(Nth),
    Await(Nth),
    Drop(Nth),
    Spares(Nth, u8),
    StopTemplate(Nth),
    ContinueTemplate(Nth),
    KillTemplate(Nth),
    DropTemplate(Nth),
    KillDefaultTemplate,
}

fn of() -> impl Strategy<Value = Option<Nth>> {
    prop::option::weighted(0.7, nth())
}

fn nth() -> impl Strategy<Value = Nth> {
    0..8_u8
}

fn manner() -> impl Strategy<Value = Manner> {
    let kind = prop_oneof![2 => Just(Kind::Worker), 1 => Just(Kind::Program)];
    let manner = |(kind, kill_on_drop, die_with_owner)| Manner { kind, kill_on_drop, die_with_owner };
    (kind, any::<bool>(), prop::bool::weighted(0.3)).prop_map(manner)
}

/// Sequences that make more than they end.
pub(super) fn sequences() -> impl Strategy<Value = Vec<Operation>> {
    use Operation::*;
    let operation = prop_oneof![
        3 => of().prop_map(|of| MakeTemplate { of }),
        6 => (of(), manner()).prop_map(|(of, manner)| Run { of, manner }),
        4 => (of(), manner()).prop_map(|(of, manner)| Start { of, manner }),
        3 => nth().prop_map(Finish),
        2 => nth().prop_map(GiveUp),
        3 => (nth(), 0..100_u8).prop_map(|(nth, code)| Release(nth, code)),
        2 => nth().prop_map(Talk),
        2 => nth().prop_map(Terminate),
        2 => nth().prop_map(Kill),
        2 => nth().prop_map(Stop),
        2 => nth().prop_map(Continue),
        3 => nth().prop_map(Ask),
        3 => nth().prop_map(Await),
        2 => nth().prop_map(Drop),
        2 => (nth(), 0..4_u8).prop_map(|(nth, most)| Spares(nth, most)),
        2 => nth().prop_map(StopTemplate),
        2 => nth().prop_map(ContinueTemplate),
        2 => nth().prop_map(KillTemplate),
        2 => nth().prop_map(DropTemplate),
        1 => Just(KillDefaultTemplate),
    ];
    prop::collection::vec(operation, 1..=LONGEST)
}
