//! Which waiters a change wakes; see the head of `mod`.

use super::order::bits;
use super::{Guard, PriorityCircularBuffer};
use crate::wait::{Told, Waiter, Waking};
use parking_lot::lock_api::RawMutex;
use std::sync::Arc;

/// What the waiters can have. It is found out under the lock, and told after the lock is released.
struct Ready<'a> {
    items: Told<'a>,
    /// Places in all levels, or 0 if no waiter could have one.
    places: usize,
    /// How many of them a waiter at each signal of `not_full` could have.
    at: [Option<Told<'a>>; 64],
}

impl<T, L: RawMutex> PriorityCircularBuffer<T, L> {
    /// Something was changed: tells the waiters how many items and places there are now.
    #[inline]
    pub(super) fn wake_who_can_go_on(&self, levels: Guard<'_, T, L>) {
        if levels.is_watched() {
            self.wake(levels);
        }
    }

    #[cold]
    fn wake(&self, mut levels: Guard<'_, T, L>) {
        let ready = self.find_ready(&mut levels);
        drop(levels);
        let mut waking = Waking::new();
        if self.not_empty.has_sleepers() {
            waking.wake(&ready.items);
        }
        wake_producers(ready.places, ready.at, &mut waking);
        waking.finish();
    }

    fn find_ready(&self, levels: &mut Guard<'_, T, L>) -> Ready<'_> {
        // A waiter that registers from now on has the levels watched again before it looks.
        let waited_at = bits(levels.watched_for_producers())
            .filter(|&signal| self.not_full[signal].has_sleepers())
            .fold(0, |bits, signal| bits | 1_u64 << signal);
        levels.unwatch(self.not_empty.has_sleepers(), waited_at);
        let room = |signal| if self.not_full.len() == 1 { levels.room_in_all() } else { levels.room(signal) };
        let mut ready = Ready { items: self.not_empty.told(|| levels.len()), places: 0, at: [const { None }; 64] };
        if bits(waited_at).any(|signal| room(signal) > 0) {
            ready.places = levels.room_in_all();
            for (number, signal) in self.not_full.iter().enumerate() {
                ready.at[number] = Some(signal.told(|| room(number)));
            }
        }
        ready
    }

    /// The signal at which producers wait for room at the level of `priority`. If there is no such level, any
    /// signal will do.
    const fn signal_for(&self, priority: usize) -> usize {
        let last = self.not_full.len() - 1;
        last.saturating_sub(priority)
    }

    pub(super) fn item_waiter(&self) -> Waiter<'_> {
        self.watched(self.not_empty.waiter())
    }

    /// A place in the line for room at the level of `priority`; see [`Waiter`] for the order in which to use
    /// it. In the end, a caller that has registered calls [`pass_on`](crate::Parts::pass_on).
    ///
    /// # Examples
    /// ```
    /// use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
    /// use elasticq::{Buffer, Parts};
    /// use std::sync::Arc;
    ///
    /// let one = PriorityConfig::default().with_max_capacity_at_priority(2, 1);
    /// let buffer = Arc::new(PriorityCircularBuffer::new(one)?);
    /// buffer.push_with_priority(1, 2)?;
    /// let mut waiter = buffer.wait_for_room_at_priority(2); // before it tries
    /// let bulk = buffer.wait_for_bulk_room_at_priority(2);
    /// let owned = Arc::clone(&buffer).owned_wait_for_room_at_priority(2); // keeps the buffer alive
    /// assert!(buffer.offer_again_with_priority(2, 2).is_err());
    /// assert_eq!(buffer.pop()?, 1);
    /// assert!(waiter.wait_until(None)); // woken by that
    /// drop((waiter, bulk, owned));
    /// buffer.pass_on();
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn wait_for_room_at_priority(&self, priority: usize) -> Waiter<'_> {
        self.watched_for(priority, self.not_full[self.signal_for(priority)].waiter())
    }

    /// [`wait_for_room_at_priority`](Self::wait_for_room_at_priority) for a caller that needs more than one
    /// place.
    pub fn wait_for_bulk_room_at_priority(&self, priority: usize) -> Waiter<'_> {
        self.watched_for(priority, self.not_full[self.signal_for(priority)].bulk_waiter())
    }

    /// [`wait_for_room_at_priority`](Self::wait_for_room_at_priority) with a waiter that keeps the buffer
    /// alive.
    pub fn owned_wait_for_room_at_priority(self: Arc<Self>, priority: usize) -> Waiter<'static>
    where
        T: Send + 'static,
        L: Send + Sync + 'static,
    {
        let signal = self.signal_for(priority);
        let waiter = Waiter::owned(Arc::clone(&self), move |buffer| &buffer.not_full[signal]);
        self.watched_for(priority, waiter)
    }

    /// Marks the levels as watched, for a consumer that has registered.
    pub(super) fn watched<'a>(&self, waiter: Waiter<'a>) -> Waiter<'a> {
        self.levels.lock().watch_for_consumers();
        waiter
    }

    /// Marks the levels as watched, for a producer that has registered.
    fn watched_for<'a>(&self, priority: usize, waiter: Waiter<'a>) -> Waiter<'a> {
        self.levels.lock().watch_for_producers(self.signal_for(priority));
        waiter
    }
}

/// Makes sure that as many producers are coming as there are places, those of the highest level first.
fn wake_producers(mut places: usize, at: [Option<Told<'_>>; 64], waking: &mut Waking) {
    for told in at.into_iter().flatten() {
        let told = told.at_most(places);
        if told.count() > 0 {
            places -= waking.wake(&told);
        }
    }
}

/// When dropped, passes on the wake-up of a producer that is no longer registered for room.
pub(super) struct Leaving<'a, T, L: RawMutex>(pub(super) &'a PriorityCircularBuffer<T, L>);

impl<T, L: RawMutex> Drop for Leaving<'_, T, L> {
    fn drop(&mut self) {
        self.0.wake_who_can_go_on(self.0.levels.lock());
    }
}
