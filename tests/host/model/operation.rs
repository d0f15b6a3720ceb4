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

/// `None` for a template: the default template.
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
    /// Does something to a process that was started.
    To(Nth, Act),
    Spares(Nth, u8),
    StopTemplate(Nth),
    ContinueTemplate(Nth),
    KillTemplate(Nth),
    DropTemplate(Nth),
    RestartTemplate(Nth),
    KillDefaultTemplate,
}

/// What is done to a process.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Lets it end with this code.
    Release(u8),
    /// A byte to a worker and back.
    Talk,
    Terminate,
    Kill,
    Stop,
    Continue,
    /// Asks for the status, without and with waiting.
    Ask,
    Await,
    /// Drops the handle.
    Drop,
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

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..100_u8).prop_map(Act::Release),
        2 => Just(Act::Talk),
        2 => Just(Act::Terminate),
        2 => Just(Act::Kill),
        2 => Just(Act::Stop),
        2 => Just(Act::Continue),
        3 => Just(Act::Ask),
        3 => Just(Act::Await),
        2 => Just(Act::Drop),
    ]
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
        18 => (nth(), acts()).prop_map(|(nth, act)| To(nth, act)),
        2 => (nth(), 0..4_u8).prop_map(|(nth, most)| Spares(nth, most)),
        2 => nth().prop_map(StopTemplate),
        2 => nth().prop_map(ContinueTemplate),
        2 => nth().prop_map(KillTemplate),
        2 => nth().prop_map(DropTemplate),
        3 => nth().prop_map(RestartTemplate),
        1 => Just(KillDefaultTemplate),
    ];
    prop::collection::vec(operation, 1..=LONGEST)
}
