//! Building blocks for layers that wait, convert or collect garbage in a way of their own, as `locked::blocks` has them for
//! the buffer. The same for all queues, so they are written once, as a macro.

use super::{LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue};
use crate::error::{BufferError, BufferResult, Rejected};
use crate::sync::{Ordering, fence};
use crate::wait::{Waiter, Waiting};
use std::ops::ControlFlow;
use std::sync::Arc;

macro_rules! blocks {
    ($queue:ident) => {
        /// Looking and building blocks.
        impl<T> $queue<T> {
            /// Copies of all items, oldest first. None is taken.
            ///
            /// Linear in the number of items. Does not block, but makes consumers wait meanwhile: `clone` must be short and
            /// must not touch this queue. Items that are claimed and not yet published, and those behind them, are not seen.
            ///
            /// # Errors
            /// `InvalidOperation`: another thread is taking or looking at this moment.
            ///
            /// # Examples
            /// ```
            #[doc = concat!("use elasticq::{Config, ", stringify!($queue), "};")]
            ///
            #[doc = concat!("let queue = ", stringify!($queue), "::new(Config::default())?;")]
            /// queue.offer_batch(vec![1, 2, 3])?;
            /// assert_eq!(queue.iter()?, [1, 2, 3]);
            /// assert_eq!(queue.len(), 3);
            /// # Ok::<(), elasticq::BufferError>(())
            /// ```
            pub fn iter(&self) -> BufferResult<Vec<T>>
            where
                T: Clone,
            {
                self.iter_with(T::clone)
            }

            /// What `look` makes of each item, as in [`iter`](Self::iter).
            ///
            /// # Errors
            /// As [`iter`](Self::iter).
            pub fn iter_with<U>(&self, mut look: impl FnMut(&T) -> U) -> BufferResult<Vec<U>> {
                // Declared before the turn, so that a panic in `look` drops the clones only after it.
                let mut seen = Vec::with_capacity(self.len());
                let _: ControlFlow<()> = self.core.visit(|item| {
                    seen.push(look(item));
                    ControlFlow::Continue(())
                })?;
                Ok(seen)
            }

            /// What `look` makes of the oldest item, as in [`iter`](Self::iter). Constant time.
            ///
            /// # Errors
            /// As [`iter`](Self::iter); `Empty`, or `Closed` when the queue is empty and was closed.
            pub fn peek_with<U>(&self, look: impl FnOnce(&T) -> U) -> BufferResult<U> {
                let mut look = Some(look);
                let seen = self.core.visit(|item| match look.take() {
                    Some(look) => ControlFlow::Break(look(item)),
                    None => ControlFlow::Continue(()),
                })?;
                match seen {
                    ControlFlow::Break(seen) => Ok(seen),
                    // In this order: nothing is added after closing.
                    ControlFlow::Continue(()) if self.is_closed() && self.is_empty() => Err(BufferError::Closed),
                    ControlFlow::Continue(()) => Err(BufferError::Empty),
                }
            }

            /// Shows every item to `visit`, as in [`iter`](Self::iter), until it breaks; shows none if another thread is
            /// taking or looking at the moment. For garbage collectors, which must not block.
            pub fn try_visit<B>(&self, mut visit: impl FnMut(&T) -> ControlFlow<B>) -> ControlFlow<B> {
                self.core.visit(&mut visit).unwrap_or(ControlFlow::Continue(()))
            }

            /// The capacity that it never grows beyond, in items.
            #[must_use]
            pub fn max_capacity(&self) -> usize {
                self.core.elasticity.max()
            }

            /// Counts `items` as refused in [`stats`](Self::stats).
            #[cold]
            pub fn note_refused(&self, items: usize) {
                self.core.note_refused(items);
            }

            /// A place in the queue of those who wait for an item; see [`Waiter`] for the order in which to use it.
            ///
            /// It is not a turn at the queue: others may take meanwhile. Adding wakes such a waiter only if it registered
            /// early enough, so whoever uses these must, after each item added, pass a sequentially consistent fence and then
            /// [`wake_consumers`](Self::wake_consumers) if there are [`waiting_consumers`](Self::waiting_consumers).
            ///
            /// # Examples
            /// ```
            #[doc = concat!("use elasticq::{Config, ", stringify!($queue), "};")]
            /// use std::sync::atomic::{Ordering, fence};
            ///
            #[doc = concat!("let queue = ", stringify!($queue), "::new(Config::default())?;")]
            /// std::thread::scope(|scope| {
            ///     scope.spawn(|| {
            ///         queue.try_enqueue(1).unwrap();
            ///         fence(Ordering::SeqCst);
            ///         if queue.waiting_consumers() != 0 {
            ///             queue.wake_consumers(queue.len());
            ///         }
            ///     });
            ///     loop {
            ///         let mut waiter = queue.wait_for_item();
            ///         match queue.try_dequeue().unwrap() {
            ///             Some(item) => break assert_eq!(item, 1),
            ///             None => assert!(waiter.wait_until(None)),
            ///         }
            ///     }
            /// });
            /// # Ok::<(), elasticq::BufferError>(())
            /// ```
            pub fn wait_for_item(&self) -> Waiter<'_> {
                registered(self.core.items.waiter())
            }

            /// A place in the queue of those who wait for room; the same rule, with
            /// [`wake_producers`](Self::wake_producers) after each item taken.
            pub fn wait_for_room(&self) -> Waiter<'_> {
                registered(self.core.room.waiter())
            }

            /// [`wait_for_room`](Self::wait_for_room) for one that needs more than one place.
            pub fn wait_for_bulk_room(&self) -> Waiter<'_> {
                registered(self.core.room.bulk_waiter())
            }

            /// [`wait_for_item`](Self::wait_for_item) with a waiter that holds the queue, for a stream or a task that is spawned.
            pub fn owned_wait_for_item(self: &Arc<Self>) -> Waiter<'static>
            where
                T: Send + 'static,
            {
                registered(Waiter::owned(Arc::clone(self), |queue| &queue.core.items))
            }

            /// [`wait_for_room`](Self::wait_for_room) with a waiter that holds the queue.
            pub fn owned_wait_for_room(self: &Arc<Self>) -> Waiter<'static>
            where
                T: Send + 'static,
            {
                registered(Waiter::owned(Arc::clone(self), |queue| &queue.core.room))
            }

            /// Who sleeps until there is an item. Linear in their number.
            #[must_use]
            pub fn waiting_for_item(&self) -> Waiting {
                self.core.items.waiting()
            }

            /// Who sleeps until there is room. Linear in their number.
            #[must_use]
            pub fn waiting_for_room(&self) -> Waiting {
                self.core.room.waiting()
            }

            /// Tells those who wait for an item that there are `count` now: so many of them, or all, are on their way then. Not
            /// how many were added, but all that are there: see [`Signal::wake`](crate::Signal::wake).
            #[cold]
            pub fn wake_consumers(&self, count: usize) {
                self.core.items.wake(count);
            }

            /// Tells those who wait for room that there are `count` places now; the same rule.
            #[cold]
            pub fn wake_producers(&self, count: usize) {
                self.core.room.wake(count);
            }

            /// How many wait for an item now and have not been woken.
            #[inline(always)]
            #[must_use]
            pub fn waiting_consumers(&self) -> usize {
                self.core.items.sleepers()
            }

            /// How many wait for room now and have not been woken.
            #[inline(always)]
            #[must_use]
            pub fn waiting_producers(&self) -> usize {
                self.core.room.sleepers()
            }
        }
    };
}

blocks!(LockFreeMPSCQueue);
blocks!(LockFreeMPMCQueue);
blocks!(LockFreeSPSCQueue);

/// Between registering and looking again.
fn registered(waiter: Waiter<'_>) -> Waiter<'_> {
    fence(Ordering::SeqCst);
    waiter
}

macro_rules! offer_again {
    ($($queue:ident)*) => {$(
        impl<T> $queue<T> {
            /// [`offer`](Self::offer) for callers who will try again: a refusal is not counted.
            ///
            /// # Errors
            /// As [`offer`](Self::offer).
            #[inline(always)]
            pub fn offer_again(&self, item: T) -> Result<(), Rejected<T>> {
                self.core.push(None, item)
            }

            /// [`offer_batch`](Self::offer_batch) for callers who will try again: a refusal is not counted.
            ///
            /// # Errors
            /// As [`offer_batch`](Self::offer_batch).
            pub fn offer_batch_again(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
                self.core.push_all(None, items)
            }
        }
    )*};
}

offer_again!(LockFreeMPSCQueue LockFreeMPMCQueue);

impl<T> LockFreeSPSCQueue<T> {
    /// [`offer`](Self::offer) for callers who will try again: a refusal is not counted.
    ///
    /// # Errors
    /// As [`offer`](Self::offer).
    #[inline(always)]
    pub fn offer_again(&self, item: T) -> Result<(), Rejected<T>> {
        let put = match self.core.producer_turn() {
            Ok(mut turn) => self.core.push(turn.maker(), item),
            Err(reason) => Err(Rejected::new(reason, item)),
        };
        self.core.tell_consumer(put)
    }

    /// [`offer_batch`](Self::offer_batch) for callers who will try again: a refusal is not counted.
    ///
    /// # Errors
    /// As [`offer_batch`](Self::offer_batch).
    pub fn offer_batch_again(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        let put = match self.core.producer_turn() {
            Ok(mut turn) => self.core.push_all(turn.maker(), items),
            Err(reason) => Err(Rejected::new(reason, items)),
        };
        self.core.tell_consumer(put)
    }
}
