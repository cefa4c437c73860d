//! What the layers above need: [`Parts`], and more of the kind for a layer that converts items or collects
//! garbage in a way of its own, as the Python binding does.
//!
//! None of these methods waits, and none counts what it refuses: a caller that tries again reports at the end
//! what was refused, with [`note_refused`](Parts::note_refused). Closures run **under the lock**: they must
//! be short and must not touch the buffer.

use super::{DynamicCircularBuffer, nothing_in};
use crate::buffer::{Glance, Parts, waiters};
use crate::config::Config;
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::ring::Ring;
use crate::wait::{Waiter, Waiting};
use parking_lot::lock_api::RawMutex;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::vec;

impl<T, L: RawMutex> DynamicCircularBuffer<T, L> {
    waiters!(
        [
            "use elasticq::{Config, DynamicCircularBuffer};"
            ""
            "let queue = DynamicCircularBuffer::<u32>::new(Config::default())?;"
        ],
        self => self.not_empty.waiting(), self.not_full.waiting()
    );

    /// Adds `item` only if the fast path can: the lock is free, the ring has room as it is, no thread waits,
    /// and `may`, which is asked **under the lock**, says yes. Otherwise nothing has happened and the item
    /// comes back; [`offer_again`](Parts::offer_again) may still add it.
    ///
    /// Never blocks, allocates or wakes a waiter; does not panic unless `may` does.
    ///
    /// # Errors
    /// The item, if more would have to be done or asked.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1);
    /// let buffer = DynamicCircularBuffer::new(one)?;
    /// assert_eq!(buffer.offer_plain('a', || false), Err('a'));
    /// assert_eq!(buffer.offer_plain('a', || true), Ok(()));
    /// assert_eq!(buffer.offer_plain('b', || true), Err('b')); // it would have to grow
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn offer_plain(&self, item: T, may: impl FnOnce() -> bool) -> Result<(), T> {
        let Some(mut ring) = self.ring.try_lock() else { return Err(item) };
        if !may() {
            return Err(item);
        }
        ring.push_plain(item)
    }

    /// Takes the oldest item only if the fast path can, as in [`offer_plain`](Self::offer_plain); in
    /// addition, the ring must not have to shrink afterwards. Returns `None` otherwise, and also if there is
    /// no item; then [`try_pop`](Self::try_pop) tells which.
    ///
    /// Never blocks, frees memory or wakes a waiter; does not panic unless `may` does.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![1, 2])?;
    /// assert_eq!(buffer.take_plain(|| true), Some(1));
    /// assert_eq!(buffer.take_plain(|| false), None);
    /// assert_eq!(buffer.try_pop(), Ok(2));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    #[inline(always)]
    pub fn take_plain(&self, may: impl FnOnce() -> bool) -> Option<T> {
        let mut ring = self.ring.try_lock()?;
        if !may() {
            return None;
        }
        ring.pop_plain()
    }

    /// Adds as many of `items`, from the front, as there is room for; returns their number. 0 means that
    /// there is no room.
    ///
    /// # Errors
    /// - `ResizeError`: there is no memory to grow; none was added.
    /// - `Closed`: the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let two = Config::default().with_initial_capacity(2).with_min_capacity(2).with_max_capacity(2);
    /// let buffer = DynamicCircularBuffer::new(two)?;
    /// let mut items = vec![1, 2, 3].into_iter();
    /// assert_eq!(buffer.offer_some(&mut items), Ok(2));
    /// assert_eq!(items.as_slice(), [3]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer_some(&self, items: &mut vec::IntoIter<T>) -> BufferResult<usize> {
        let mut ring = self.ring.lock();
        if ring.is_sealed() {
            return Err(BufferError::Closed);
        }
        let count = items.len().min(ring.max_capacity() - ring.len());
        ring.push_from(count, items)?;
        if count > 0 {
            self.wake_who_can_go_on(ring);
        }
        Ok(count)
    }

    /// Adds `count` items made by `make(0)`, `make(1)`, ... **under the lock**, or none.
    ///
    /// For callers that make their items by a cheap conversion; `make` must not touch this buffer. When
    /// `make` panics, the items that it has made until then are in the buffer, and no waiter was woken for
    /// them.
    ///
    /// # Errors
    /// As [`offer_batch`](Self::offer_batch). On an error `make` was not called.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.offer_with(3, |n| n * n)?;
    /// assert_eq!(buffer.drain(), [0, 1, 4]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn offer_with(&self, count: usize, make: impl FnMut(usize) -> T) -> BufferResult<()> {
        // `items` is made before the guard, so that what `make` holds is dropped only after the lock is
        // released, even in a panic.
        let mut items = (0..count).map(make);
        let mut ring = self.ring.lock();
        ring.push_from(count, &mut items)?;
        self.wake_who_can_go_on(ring);
        Ok(())
    }

    /// Moves the oldest items into `target`, as many as there are and fit, without waiting. Returns their
    /// number: so many places at the front of `target` are initialised then, and the rest is untouched.
    ///
    /// For callers that already have the memory; [`pop_batch`](Self::pop_batch) makes a vector.
    ///
    /// # Errors
    /// `Closed`: there is nothing, and the buffer was closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    /// use std::mem::MaybeUninit;
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec![1, 2, 3])?;
    /// let mut target = [const { MaybeUninit::<i32>::uninit() }; 8];
    /// assert_eq!(buffer.pop_into(&mut target)?, 3);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn pop_into(&self, target: &mut [MaybeUninit<T>]) -> BufferResult<usize> {
        let mut ring = self.ring.lock();
        let count = ring.pop_into(target);
        if count > 0 {
            self.wake_who_can_go_on(ring);
        } else if ring.is_sealed() && !target.is_empty() {
            return Err(BufferError::Closed);
        }
        Ok(count)
    }

    /// Calls `look` for each item, in order, at one moment, and returns the results. `look` runs **under the
    /// lock**: it must be short and must not touch this buffer.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push_batch(vec!["one".to_string(), "three".to_string()])?;
    /// assert_eq!(buffer.iter_with(String::len), [3, 5]);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn iter_with<U>(&self, mut look: impl FnMut(&T) -> U) -> Vec<U> {
        // `seen` is declared before the guard, so that a panic in `look` drops the results only after the
        // lock is released.
        let mut seen = Vec::new();
        let ring = self.ring.lock();
        let (first, second) = ring.as_slices();
        seen.reserve_exact(first.len() + second.len());
        seen.extend(first.iter().chain(second).map(&mut look));
        drop(ring);
        seen
    }

    /// Calls `look` for the oldest item, **under the lock**, and returns the result.
    ///
    /// # Errors
    /// As [`try_pop`](Self::try_pop).
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push("oldest".to_string())?;
    /// buffer.push("newer".to_string())?;
    /// assert_eq!(buffer.peek_with(String::len), Ok(6));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn peek_with<U>(&self, look: impl FnOnce(&T) -> U) -> BufferResult<U> {
        let ring = self.ring.lock();
        ring.as_slices().0.first().map(look).ok_or_else(|| nothing_in(&ring))
    }

    /// Closes the buffer and takes everything, at one moment. Returns whether it was closed before, and what
    /// was inside.
    ///
    /// For callers that go on with the items elsewhere: any thread that comes later finds the buffer closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push(1)?;
    /// assert_eq!(buffer.close_and_drain(), (false, vec![1]));
    /// assert_eq!(buffer.pop(), Err(BufferError::Closed));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn close_and_drain(&self) -> (bool, Vec<T>) {
        let (was_closed, taken) = {
            let mut ring = self.ring.lock();
            let was_closed = ring.is_sealed();
            ring.seal();
            (was_closed, ring.take_all())
        };
        self.wake_all();
        (was_closed, taken.into_vec())
    }

    /// Closes the buffer if it is open and nothing was ever pushed, as one step. Returns whether it did.
    ///
    /// For a caller that goes on elsewhere unless another thread has begun to use this buffer. Every thread
    /// that comes later finds the buffer closed.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{BufferError, Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// assert_eq!((buffer.close_unused(), buffer.close_unused()), (true, false));
    /// assert_eq!(buffer.push(1), Err(BufferError::Closed));
    ///
    /// let used = DynamicCircularBuffer::new(Config::default())?;
    /// used.push(1)?;
    /// assert_eq!((used.pop()?, used.close_unused(), used.is_closed()), (1, false, false));
    /// # Ok::<(), BufferError>(())
    /// ```
    pub fn close_unused(&self) -> bool {
        {
            let mut ring = self.ring.lock();
            if ring.is_sealed() || ring.pushed() > 0 {
                return false;
            }
            ring.seal();
        }
        self.wake_all();
        true
    }

    /// Begins anew with another configuration, except for its timeouts: the buffer is empty and open, and
    /// every counter but that of refusals is zero. Returns what was inside. All waiters try again.
    ///
    /// # Errors
    /// As [`new`](DynamicCircularBuffer::new). On an error the buffer is as it was.
    ///
    /// # Examples
    /// ```
    /// use elasticq::{Config, DynamicCircularBuffer};
    ///
    /// let buffer = DynamicCircularBuffer::new(Config::default())?;
    /// buffer.push(1)?;
    /// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
    /// assert_eq!(buffer.restart(&one)?, [1]);
    /// assert_eq!((buffer.pushed(), buffer.max_capacity()), (0, 1));
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub fn restart(&self, config: &Config) -> BufferResult<Vec<T>> {
        let mut other = Ring::new(config)?;
        {
            let mut ring = self.ring.lock();
            if ring.is_watched() {
                other.watch();
            }
            std::mem::swap(&mut *ring, &mut other);
            self.tally.restart();
        }
        self.wake_all();
        Ok(other.take_all().into_vec())
    }
}

impl<T, L: RawMutex> DynamicCircularBuffer<T, L> {
    pub(super) fn item_waiter(&self) -> Waiter<'_> {
        self.watched(self.not_empty.waiter())
    }

    pub(super) fn room_waiter(&self) -> Waiter<'_> {
        self.watched(self.not_full.waiter())
    }

    pub(super) fn bulk_room_waiter(&self) -> Waiter<'_> {
        self.watched(self.not_full.bulk_waiter())
    }

    /// Marks the ring as watched, for a waiter that has registered.
    fn watched<'a>(&self, waiter: Waiter<'a>) -> Waiter<'a> {
        self.ring.lock().watch();
        waiter
    }
}

impl<T: Send, L: RawMutex + Send + Sync> Parts<T> for DynamicCircularBuffer<T, L> {
    fn max_capacity(&self) -> usize {
        self.max_capacity()
    }

    #[inline]
    fn offer_again(&self, item: T) -> Result<(), Rejected<T>> {
        let mut ring = self.ring.lock();
        let Err(item) = ring.push_plain(item) else { return Ok(()) };
        let mut place = Some(item);
        give_back(self.put_with_care(ring, &mut place), place)
    }

    fn offer_batch_again(&self, mut items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        give_back(self.put_all(&mut items), Some(items))
    }

    fn try_pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
        self.try_pop_batch(max_items)
    }

    fn note_refused(&self, items: usize) {
        self.tally.note_refused(items);
    }

    fn note_dropped_on_arrival(&self, items: usize) {
        self.tally.note_dropped_on_arrival(items);
    }

    fn discard(&self) -> BufferResult<Vec<T>> {
        Ok(self.discard_all().into_vec())
    }

    fn visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) -> BufferResult<()> {
        let ring = self.ring.lock();
        visit_ring(&ring, visit);
        Ok(())
    }

    fn try_visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) {
        if let Some(ring) = self.ring.try_lock() {
            visit_ring(&ring, visit);
        }
    }

    fn wait_for_item(&self) -> Waiter<'_> {
        self.item_waiter()
    }

    fn wait_for_room(&self) -> Waiter<'_> {
        self.room_waiter()
    }

    fn wait_for_bulk_room(&self) -> Waiter<'_> {
        self.bulk_room_waiter()
    }

    fn owned_wait_for_item(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static,
    {
        let waiter = Waiter::owned(Arc::clone(&self), |buffer| &buffer.not_empty);
        self.watched(waiter)
    }

    fn owned_wait_for_room(self: Arc<Self>) -> Waiter<'static>
    where
        Self: 'static,
    {
        let waiter = Waiter::owned(Arc::clone(&self), |buffer| &buffer.not_full);
        self.watched(waiter)
    }

    fn glance(&self) -> Option<Glance> {
        self.ring.try_lock().map(|ring| Glance::new(ring.len(), ring.max_capacity(), ring.is_sealed()))
    }

    fn waiting_for_item(&self) -> Waiting {
        self.not_empty.waiting()
    }

    fn waiting_for_room(&self) -> Waiting {
        self.not_full.waiting()
    }

    fn waiting_consumers(&self) -> usize {
        self.not_empty.sleepers()
    }

    fn waiting_producers(&self) -> usize {
        self.not_full.sleepers()
    }

    fn pass_on(&self) {
        self.wake_who_can_go_on(self.ring.lock());
    }
}

/// Shows the items to `visit`, in order, until it breaks.
fn visit_ring<T>(ring: &Ring<T>, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) {
    let (first, second) = ring.as_slices();
    let _ = first.iter().chain(second).try_for_each(visit);
}
