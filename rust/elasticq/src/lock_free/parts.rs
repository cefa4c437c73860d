//! What layers above need: [`Parts`], and looking that makes something of each item. These are the same for
//! all queues, so they are written once, as a macro.
//!
//! A thread that registers here need not look for items that are claimed and not yet published. A producer
//! passes one half of a barrier between publishing and looking for sleepers; the thread passes the other half
//! between registering and trying again.

use super::handles::pass_on;
use super::{LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue};
use crate::buffer::{Glance, Parts};
use crate::error::{BufferError, BufferResult, Rejected};
use crate::wait::{Waiter, Waiting};
use std::ops::ControlFlow;
use std::sync::Arc;

macro_rules! parts {
    ($queue:ident) => {
        impl<T> $queue<T> {
            /// Copies of all items, oldest first. None is taken.
            ///
            /// Linear in the number of items. Does not block, but makes consumers wait meanwhile: `clone`
            /// must be short and must not touch this queue. It does not see items that are claimed and not
            /// yet published, nor the items behind them.
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
            ///
            /// # Examples
            /// ```
            #[doc = concat!("use elasticq::{Config, ", stringify!($queue), "};")]
            ///
            #[doc = concat!("let queue = ", stringify!($queue), "::new(Config::default())?;")]
            /// queue.offer_batch(vec!["a", "bc"])?;
            /// assert_eq!(queue.iter_with(|item| item.len())?, [1, 2]);
            /// # Ok::<(), elasticq::BufferError>(())
            /// ```
            pub fn iter_with<U>(&self, mut look: impl FnMut(&T) -> U) -> BufferResult<Vec<U>> {
                // Declared before the turn, so that if `look` panics, the clones are dropped only after the
                // turn.
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
            ///
            /// # Examples
            /// ```
            #[doc = concat!("use elasticq::{BufferError, Config, ", stringify!($queue), "};")]
            ///
            #[doc = concat!("let queue = ", stringify!($queue), "::new(Config::default())?;")]
            /// assert_eq!(queue.peek_with(|item: &u8| *item), Err(BufferError::Empty));
            /// queue.offer_batch(vec![7, 8])?;
            /// assert_eq!(queue.peek_with(|item| *item), Ok(7));
            /// # Ok::<(), BufferError>(())
            /// ```
            pub fn peek_with<U>(&self, look: impl FnOnce(&T) -> U) -> BufferResult<U> {
                let mut look = Some(look);
                let seen = self.core.visit(|item| match look.take() {
                    Some(look) => ControlFlow::Break(look(item)),
                    None => ControlFlow::Continue(()),
                })?;
                match seen {
                    ControlFlow::Break(seen) => Ok(seen),
                    // In this order: nothing is put in after closing.
                    ControlFlow::Continue(()) if self.is_closed() && self.is_empty() => Err(BufferError::Closed),
                    ControlFlow::Continue(()) => Err(BufferError::Empty),
                }
            }
        }

        impl<T: Send> Parts<T> for $queue<T> {
            fn max_capacity(&self) -> usize {
                self.core.elasticity.max()
            }

            #[inline(always)]
            fn offer_again(&self, item: T) -> Result<(), Rejected<T>> {
                self.put_quietly(item)
            }

            fn offer_batch_again(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
                self.put_all_quietly(items)
            }

            fn try_pop_batch(&self, max_items: usize) -> BufferResult<Vec<T>> {
                self.dequeue_batch(max_items)
            }

            fn note_refused(&self, items: usize) {
                self.core.tally.note_refused(items);
            }

            fn note_dropped_on_arrival(&self, items: usize) {
                self.core.tally.note_dropped_on_arrival(items);
            }

            fn discard(&self) -> BufferResult<Vec<T>> {
                let most = self.len();
                let _ = self.core.stats(); // what is told from now on is no less
                let announced = self.core.discarded.announce(most);
                match self.dequeue_batch(most) {
                    Ok(items) => {
                        announced.settle(items.len());
                        Ok(items)
                    }
                    Err(BufferError::Closed) => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            }

            fn visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) -> BufferResult<()> {
                self.core.visit(visit).map(|_| ())
            }

            fn try_visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) {
                let _ = self.core.visit(visit);
            }

            fn wait_for_item(&self) -> Waiter<'_> {
                let waiter = self.core.items.waiter();
                self.core.consumer_registered();
                waiter
            }

            fn wait_for_room(&self) -> Waiter<'_> {
                let waiter = self.core.room.waiter();
                self.core.producer_registered();
                waiter
            }

            fn wait_for_bulk_room(&self) -> Waiter<'_> {
                let waiter = self.core.room.bulk_waiter();
                self.core.producer_registered();
                waiter
            }

            fn owned_wait_for_item(self: Arc<Self>) -> Waiter<'static>
            where
                Self: 'static,
            {
                let waiter = Waiter::owned(Arc::clone(&self), |queue| &queue.core.items);
                self.core.consumer_registered();
                waiter
            }

            fn owned_wait_for_room(self: Arc<Self>) -> Waiter<'static>
            where
                Self: 'static,
            {
                let waiter = Waiter::owned(Arc::clone(&self), |queue| &queue.core.room);
                self.core.producer_registered();
                waiter
            }

            fn glance(&self) -> Option<Glance> {
                Some(Glance::new(self.len(), self.core.elasticity.max(), self.is_closed()))
            }

            fn waiting_for_item(&self) -> Waiting {
                self.core.items.waiting()
            }

            fn waiting_for_room(&self) -> Waiting {
                self.core.room.waiting()
            }

            fn waiting_consumers(&self) -> usize {
                self.core.items.sleepers()
            }

            fn waiting_producers(&self) -> usize {
                self.core.room.sleepers()
            }

            fn pass_on(&self) {
                pass_on!(self);
            }
        }
    };
}

parts!(LockFreeMPSCQueue);
parts!(LockFreeMPMCQueue);
parts!(LockFreeSPSCQueue);

macro_rules! put_quietly {
    ($($queue:ident)*) => {$(
        impl<T> $queue<T> {
            #[inline(always)]
            fn put_quietly(&self, item: T) -> Result<(), Rejected<T>> {
                self.core.push(None, item)
            }

            fn put_all_quietly(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
                self.core.push_all(None, items)
            }
        }
    )*};
}

put_quietly!(LockFreeMPSCQueue LockFreeMPMCQueue);
