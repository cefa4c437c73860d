//! Waking without any lock held. Foreign code may do what it likes here: use the same list, drop waiters, or
//! panic.
//!
//! The waiters to be woken are taken off the list in batches, into memory that is there already, and woken
//! after the lock is released. **A panic stops nothing**: all the others are woken, and the first panic goes
//! on when all is done. If the thread is unwinding already, the panic does not go on, since that would end
//! the process.

use super::list::{List, Sleeper};
use super::{Crowd, Signal};
use crate::sync::{Ordering, fence};
use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// How many waiters are taken off the list at once.
const BATCH: usize = 32;

/// A step in which sleepers are woken, at one signal or at several.
#[must_use = "a panic goes on in `finish`"]
pub(crate) struct Waking {
    /// The first panic.
    panic: Option<Box<dyn Any + Send>>,
}

/// A message to the waiters at a signal.
pub(crate) struct Told<'a> {
    signal: &'a Signal,
    /// How many things there are.
    count: usize,
    /// The list's round before the things were counted. A waiter that has registered since may have found
    /// them gone.
    round: usize,
}

impl Signal {
    /// The message that there are so many things now.
    pub(crate) fn told(&self, count: impl FnOnce() -> usize) -> Told<'_> {
        // Between the change, however it was made, and the look for waiters.
        fence(Ordering::SeqCst);
        let round = self.round.load(Ordering::SeqCst);
        Told { signal: self, count: count(), round }
    }

    /// The message that all waiters are to look.
    pub(crate) fn told_all(&self) -> Told<'_> {
        self.told(|| usize::MAX)
    }
}

#[cfg(any(feature = "priority", feature = "lock_free"))]
impl Told<'_> {
    #[cfg(feature = "lock_free")]
    pub(crate) const fn signal(&self) -> &Signal {
        self.signal
    }

    #[cfg(feature = "priority")]
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The same message, but for no more than so many things.
    #[cfg(feature = "priority")]
    pub(crate) fn at_most(self, count: usize) -> Self {
        Self { count: self.count.min(count), ..self }
    }
}

/// Wakes at each of these signals as [`Signal::wake`] does. A waker that panics does not keep any of them
/// from being woken.
pub(crate) fn wake_each<'a>(told: impl IntoIterator<Item = Told<'a>>) {
    let mut waking = Waking::new();
    for told in told {
        if told.signal.has_sleepers() {
            waking.wake(&told);
        }
    }
    waking.finish();
}

impl Waking {
    pub(crate) const fn new() -> Self {
        Self { panic: None }
    }

    /// Makes sure that as many waiters are coming as there are things, or all of them. Returns how many of
    /// the things have a waiter coming for them: 0 while a waiter is there that may need several.
    pub(crate) fn wake(&mut self, &Told { signal, count, round }: &Told<'_>) -> usize {
        let mut promised = 0;
        self.wake_next(signal, signal.crowd(), round, |list| {
            let due = list.due(count);
            promised = if list.has_bulk() { 0 } else { count.min(list.coming() + due) };
            due
        });
        promised
    }

    /// Wakes waiters from the front of the line. `how_many` is asked once how many.
    pub(super) fn wake_next(
        &mut self,
        signal: &Signal,
        crowd: &Crowd,
        round: usize,
        mut how_many: impl FnMut(&List) -> usize,
    ) {
        // Waiters that register while others are being woken are not meant.
        let mut left = None;
        while left != Some(0) {
            let mut batch = [const { None }; BATCH];
            signal.change(crowd, |list| {
                let left = left.get_or_insert_with(|| how_many(list));
                let passes_on = *left < list.waiting();
                for place in batch.iter_mut().take(*left) {
                    let Some(sleeper) = list.wake_next(round, passes_on) else {
                        *left = 0; // some waiters have gone meanwhile
                        break;
                    };
                    *place = sleeper;
                    *left -= 1;
                }
            });
            batch.into_iter().flatten().for_each(|sleeper| self.call(|| sleeper.wake()));
        }
    }

    /// Drops what would have woken a waiter and is no longer needed.
    pub(super) fn discard(&mut self, sleeper: Option<Sleeper>) {
        if let Some(sleeper) = sleeper {
            self.call(|| drop(sleeper));
        }
    }

    fn call(&mut self, foreign: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(foreign)) {
            match self.panic {
                None => self.panic = Some(panic),
                Some(_) => forget(panic),
            }
        }
    }

    pub(crate) fn finish(self) {
        match self.panic {
            None => {}
            Some(panic) if thread::panicking() => forget(panic),
            Some(panic) => resume_unwind(panic),
        }
    }
}

/// Drops what a panic carried. That may be foreign code, too.
fn forget(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(another);
    }
}

impl Sleeper {
    fn wake(self) {
        match self {
            Self::Task(waker) | Self::ThreadBy(waker) => waker.wake(),
            Self::Thread(thread) => thread.unpark(),
        }
    }
}
