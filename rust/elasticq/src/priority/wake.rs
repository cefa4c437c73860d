//! Who is woken by whom; see the head of `mod`.

use super::order::bits;
use super::{Guard, PriorityCircularBuffer};
use crate::wait::Waiter;
use parking_lot::lock_api::RawMutex;

/// The signals of `not_full` that those who can go on wait at, as bits. To be found out under the lock, and woken after it.
#[derive(Clone, Copy)]
struct Ready(u64);

impl<T, L: RawMutex> PriorityCircularBuffer<T, L> {
    /// Whether there is anybody to wake, and which producers. To be asked under the lock, after something was changed.
    #[inline]
    fn watched(&self, levels: &mut Guard<'_, T, L>) -> Option<Ready> {
        levels.is_watched().then(|| self.find_ready(levels)).flatten()
    }

    #[cold]
    fn find_ready(&self, levels: &mut Guard<'_, T, L>) -> Option<Ready> {
        // Who registers from now on has the levels watched again before he looks.
        let waited_at = bits(levels.watched_for_producers())
            .filter(|&signal| self.not_full[signal].has_sleepers())
            .fold(0, |bits, signal| bits | 1_u64 << signal);
        levels.unwatch(self.not_empty.has_sleepers(), waited_at);
        let ready = bits(waited_at)
            .filter(|&signal| if self.not_full.len() == 1 { levels.has_room_in_all() } else { levels.has_room(signal) })
            .fold(0, |bits, signal| bits | 1_u64 << signal);
        levels.is_watched().then_some(Ready(ready))
    }

    /// `count` items were added. With room left, a producer who was woken for more room than he used passes it on.
    pub(super) fn wake_after_adding(&self, mut levels: Guard<'_, T, L>, count: usize) {
        if let Some(ready) = self.watched(&mut levels) {
            drop(levels);
            if self.not_empty.has_sleepers() {
                self.not_empty.wake(count);
            }
            self.wake_producers(ready, 1);
        }
    }

    /// `count` items were taken. With more left, a consumer who was woken for several of them passes it on.
    pub(super) fn wake_after_taking(&self, mut levels: Guard<'_, T, L>, count: usize) {
        if let Some(ready) = self.watched(&mut levels) {
            let more = levels.len() != 0;
            drop(levels);
            self.wake_producers(ready, count);
            if more && self.not_empty.has_sleepers() {
                self.not_empty.wake(1);
            }
        }
    }

    /// Wakes `count` of the producers who can go on, those of the highest level first.
    fn wake_producers(&self, ready: Ready, mut count: usize) {
        for signal in bits(ready.0) {
            if count == 0 {
                return;
            }
            let signal = &self.not_full[signal];
            let woken = signal.sleepers().min(count);
            if woken > 0 {
                signal.wake(woken);
            }
            // What he is woken for may be too little for one who waits for several places. It is offered to others as well.
            if !signal.has_bulk_waiters() {
                count -= woken;
            }
        }
    }

    /// Wakes a producer who can go on, in place of one who was perhaps woken and needs it no more.
    ///
    /// Whoever has registered with [`wait_for_room`](Self::wait_for_room) must call it when his last waiter is dropped, whether he went
    /// on or gave up: while he was registered, a wake-up that one of another level could use may have gone to him. Takes the lock; costs
    /// little where nobody waits.
    pub fn pass_on_room(&self) {
        let mut levels = self.levels.lock();
        if let Some(ready) = self.watched(&mut levels) {
            drop(levels);
            self.wake_producers(ready, 1);
        }
    }

    /// Which signal those wait at who want room at a level; those of a level that does not exist, at any.
    const fn signal_for(&self, priority: usize) -> usize {
        let last = self.not_full.len() - 1;
        last.saturating_sub(priority)
    }

    /// A place in the queue of those who wait for an item; see [`Waiter`] for the order in which to use it.
    pub fn wait_for_item(&self) -> Waiter<'_> {
        let waiter = self.not_empty.waiter();
        self.levels.lock().watch_for_consumers();
        waiter
    }

    /// A place in the queue of those who wait for room at the level of `priority`; see [`Waiter`] for the order in which to use it.
    /// Whoever has registered calls [`pass_on_room`](Self::pass_on_room) in the end.
    pub fn wait_for_room(&self, priority: usize) -> Waiter<'_> {
        self.watched_for(priority, self.not_full[self.signal_for(priority)].waiter())
    }

    /// [`wait_for_room`](Self::wait_for_room) for one that needs more than one place.
    pub fn wait_for_bulk_room(&self, priority: usize) -> Waiter<'_> {
        self.watched_for(priority, self.not_full[self.signal_for(priority)].bulk_waiter())
    }

    /// Has the levels watched for a producer that is registered.
    fn watched_for<'a>(&'a self, priority: usize, waiter: Waiter<'a>) -> Waiter<'a> {
        self.levels.lock().watch_for_producers(self.signal_for(priority));
        waiter
    }

    /// How many threads and tasks wait for an item now.
    #[must_use]
    pub fn waiting_consumers(&self) -> usize {
        self.not_empty.sleepers()
    }

    /// How many threads and tasks wait for room now, at whatever level.
    #[must_use]
    pub fn waiting_producers(&self) -> usize {
        self.not_full.iter().map(|signal| signal.sleepers()).sum()
    }
}

/// Passes on, when it is dropped, the wake-up of one who is registered for room no longer.
pub(super) struct Leaving<'a, T, L: RawMutex>(pub(super) &'a PriorityCircularBuffer<T, L>);

impl<T, L: RawMutex> Drop for Leaving<'_, T, L> {
    fn drop(&mut self) {
        self.0.pass_on_room();
    }
}
