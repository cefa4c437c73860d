//! Whose turn it is at an end of a queue that belongs to one thread at a time.
//!
//! A second thread that wants to work there gets an error. Looking is a turn of its own: a thread that finds
//! another one looking waits, since that is nobody's mistake and over soon.

use crate::error::{BufferError, BufferResult};
use crate::sync::{AtomicU8, Backoff, Ordering};

/// Gives what a call has taken. Where that is an item, it first calls `end`, which ends the turn and then
/// wakes producers that wait for room: a woken thread may use the queue. (Of all ways to write this, this one
/// costs no instruction: the item is not yet in the result.)
#[inline(always)]
pub(super) fn taken<T>(taken: BufferResult<Option<T>>, end: impl FnOnce()) -> BufferResult<Option<T>> {
    match taken {
        Ok(Some(item)) => {
            end();
            Ok(Some(item))
        }
        nothing => nothing,
    }
}

/// What a look has found: `None` if an item may come. `tell` is called once an item was taken.
#[inline(always)]
pub(super) fn found<T>(taken: BufferResult<Option<T>>, tell: impl FnOnce()) -> Option<BufferResult<T>> {
    match taken {
        Ok(Some(item)) => {
            tell();
            Some(Ok(item))
        }
        Ok(None) => None,
        Err(reason) => Some(Err(reason)),
    }
}

const NOBODY: u8 = 0;
const WORKING: u8 = 1;
const LOOKING: u8 = 2;

pub(super) struct ConsumerTurns(AtomicU8);

impl ConsumerTurns {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(NOBODY))
    }

    /// Takes the turn, until [`end`](Self::end); gives an error with the text `taken` where another thread
    /// has the turn.
    #[inline(always)]
    pub(super) fn take(&self, taken: &str) -> BufferResult<()> {
        // Acquire: pairs with the end of the last turn.
        match self.0.compare_exchange(NOBODY, WORKING, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(_) => self.take_after_a_look(taken),
        }
    }

    #[cold]
    fn take_after_a_look(&self, taken: &str) -> BufferResult<()> {
        let backoff = Backoff::new();
        while let Err(now) = self.0.compare_exchange(NOBODY, WORKING, Ordering::Acquire, Ordering::Relaxed) {
            if now == WORKING {
                return Err(BufferError::InvalidOperation(taken.into()));
            }
            backoff.snooze();
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn end(&self) {
        // Release: the next thread to take the turn sees what this one did.
        self.0.store(NOBODY, Ordering::Release);
    }

    /// The turn to look, until it is dropped; none where another thread has a turn.
    pub(super) fn look(&self) -> Option<Look<'_>> {
        // Acquire: as above.
        let free = self.0.compare_exchange(NOBODY, LOOKING, Ordering::Acquire, Ordering::Relaxed).is_ok();
        free.then(|| Look(self)) // not `then_some`: dropping one ends the turn
    }

    /// Takes the turn for good: from now on, handles that need no turns have this end.
    pub(super) fn give_away(&self) {
        self.0.store(WORKING, Ordering::Release);
    }
}

pub(super) struct Look<'a>(&'a ConsumerTurns);

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
