//! The way of everything that is awaited, until it waits in line: it tries; if that fails, it gives way once
//! and tries again; only then does it wait.
//!
//! To give way is to go on in the next turn of the event loop. In between other tasks and threads run, and
//! they mostly bring what is wanted; that costs no future and no wake-up. `Awaitable` goes this way for
//! single items, as far as it can without a line; `Operation` goes on from wherever it is.

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    New,
    /// It has given way to others once.
    GaveWay,
}

/// What is awaited.
pub trait Awaited {
    type Outcome;

    /// Whether it should give way before it does anything, since its task has had a long turn.
    fn is_turn_due(&mut self) -> bool;

    /// Tries once. `None`: not yet.
    fn attempt(&mut self) -> Option<Self::Outcome>;

    /// Whether it may give way, now that an attempt has failed.
    fn may_give_way(&mut self) -> bool;
}

/// What a step has come to.
pub enum Step<O> {
    Settled(O),
    /// It is to go on in the next turn of the event loop, at the stage `GaveWay`.
    GiveWay,
    /// It is to join the line.
    Wait,
}

/// Goes on from a stage.
#[inline(always)]
pub fn step<A: Awaited>(awaited: &mut A, stage: Stage) -> Step<A::Outcome> {
    let new = stage == Stage::New;
    if new && awaited.is_turn_due() {
        return Step::GiveWay;
    }
    match awaited.attempt() {
        Some(outcome) => Step::Settled(outcome),
        None if new && awaited.may_give_way() => Step::GiveWay,
        None => Step::Wait,
    }
}
