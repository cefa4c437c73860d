//! `Items`: the items of a queue, in the buffer with a lock or in one of the queues without, behind one set
//! of methods.
//!
//! The buffer with a lock is the fast path: after one comparison, each method calls the buffer's own. A
//! change of a queue without a lock is followed by a fence here, so that the look for waiting tasks comes
//! after the change. (The queue itself wakes the threads that wait.)

use crate::leveled::Leveled;
use crate::raw::Item;
use crate::raw::detach::detached;
use crate::raw::lock::RingLock;
use crate::weighted::Weighted;
use elasticq::{
    BufferError, BufferResult, Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue,
    Parts, QueueStats, Rejected, Waiter,
};
use pyo3::Python;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::sync::atomic::{Ordering, fence};
use std::{thread, vec};

#[allow(clippy::large_enum_variant)] // boxed with the store, one per queue
pub enum Items {
    Locked {
        buffer: DynamicCircularBuffer<Item, RingLock>,
        /// If the items have weights, the buffer with weights that has replaced `buffer`. Then `buffer` is
        /// closed and empty, so the fast path finds nothing there.
        weighted: OnceLock<Box<Weighted>>,
    },
    /// With levels. Calls that name no level mean the middle one.
    Leveled(Box<Leveled>),
    Mpsc(LockFreeMPSCQueue<Item>),
    Mpmc(LockFreeMPMCQueue<Item>),
    Spsc(LockFreeSPSCQueue<Item>),
}

/// What was in a buffer that was closed for good.
pub struct Rest {
    pub was_closed: bool,
    pub items: Vec<Item>,
}

use Items::{Leveled as Levels, Locked, Mpmc, Mpsc, Spsc};

/// The same call for all variants; it changes no items.
macro_rules! each {
    ($items:expr, $queue:ident => $call:expr) => {
        match $items {
            Locked { buffer, weighted } => {
                let $queue = weighted.get().map_or(buffer, |weighted| weighted.items());
                $call
            }
            Levels($queue) => $call,
            Mpsc($queue) => $call,
            Mpmc($queue) => $call,
            Spsc($queue) => $call,
        }
    };
}

/// One call for the buffer with a lock, and another one for those without. If there are weights, it changes
/// no items.
macro_rules! either {
    ($items:expr, $buffer:ident => $locked:expr, $queue:ident => $lock_free:expr) => {
        match $items {
            Locked { buffer, weighted } => {
                let $buffer = weighted.get().map_or(buffer, |weighted| weighted.items());
                $locked
            }
            Levels($buffer) => $locked,
            Mpsc($queue) => $lock_free,
            Mpmc($queue) => $lock_free,
            Spsc($queue) => $lock_free,
        }
    };
}

/// Stands between a change and a look for waiters, or the other way round. With an interpreter lock there is
/// an order already, since each thread holds that lock at either place.
#[inline(always)]
pub fn settle() {
    if cfg!(Py_GIL_DISABLED) {
        fence(Ordering::SeqCst);
    }
}

impl From<DynamicCircularBuffer<Item, RingLock>> for Items {
    fn from(buffer: DynamicCircularBuffer<Item, RingLock>) -> Self {
        Locked { buffer, weighted: OnceLock::new() }
    }
}

impl Items {
    #[inline(always)]
    pub fn weighted(&self) -> Option<&Weighted> {
        match self {
            Locked { weighted, .. } => weighted.get().map(|weighted| &**weighted),
            _ => None,
        }
    }

    #[inline(always)]
    pub fn leveled(&self) -> Option<&Leveled> {
        match self {
            Levels(leveled) => Some(leveled),
            _ => None,
        }
    }

    /// Puts a buffer with weights in the place of the one without. Hands it back if there is one already.
    /// What was inside is dropped, and all waiters try again. Only for the buffer with a lock.
    pub fn weigh_from_now_on(&self, weighing: Box<Weighted>) -> Result<(), Box<Weighted>> {
        let Locked { buffer, weighted } = self else { return Err(weighing) };
        // Set before closing: a thread that finds the buffer closed finds this, too.
        weighted.set(weighing)?;
        drop(buffer.close_and_drain());
        Ok(())
    }

    /// Whether it is one of the queues without a lock.
    #[inline(always)]
    pub const fn is_lock_free(&self) -> bool {
        !matches!(self, Locked { .. } | Levels(_))
    }

    #[inline(always)]
    pub fn offer_again(&self, item: Item) -> Result<(), Rejected<Item>> {
        either!(self, buffer => buffer.offer_again(item), queue => {
            queue.offer_again(item)?;
            settle();
            Ok(())
        })
    }

    pub fn offer_batch_again(&self, items: Vec<Item>) -> Result<(), Rejected<Vec<Item>>> {
        either!(self, buffer => buffer.offer_batch_again(items), queue => {
            queue.offer_batch_again(items)?;
            settle();
            Ok(())
        })
    }

    /// Adds as many items as there is room for.
    pub fn offer_some(&self, items: &mut vec::IntoIter<Item>) -> BufferResult<usize> {
        match self {
            Locked { buffer, .. } => return buffer.offer_some(items),
            Levels(leveled) => return leveled.offer_some(items),
            _ => {}
        }
        let mut rest = std::mem::take(items);
        let mut count = 0;
        while let Some(item) = rest.next() {
            if let Err(rejected) = self.offer_again(item) {
                let (reason, item) = rejected.into_parts();
                *items = std::iter::once(item).chain(rest).collect::<Vec<_>>().into_iter();
                return if count > 0 || reason.is_capacity_error() { Ok(count) } else { Err(reason) };
            }
            count += 1;
        }
        Ok(count)
    }

    /// Adds `count` items made by `make`, or none.
    pub fn offer_with(&self, count: usize, make: impl FnMut(usize) -> Item) -> BufferResult<()> {
        match self {
            Locked { buffer, .. } => buffer.offer_with(count, make),
            Levels(leveled) => leveled.offer_with(count, make),
            _ => Ok(self.offer_batch_again((0..count).map(make).collect())?),
        }
    }

    /// Counts items that were refused for good. An item that was kept out by another producer at work may
    /// come again, so it is not counted.
    #[cold]
    pub fn refused(&self, reason: &BufferError, count: usize) {
        if !matches!(reason, BufferError::InvalidOperation(_)) {
            each!(self, queue => queue.note_refused(count));
        }
    }

    /// Counts items that were accepted and dropped, since there was no room for them.
    #[cold]
    pub fn dropped_on_arrival(&self, count: usize) {
        each!(self, queue => queue.note_dropped_on_arrival(count));
    }

    #[inline(always)]
    pub fn try_pop(&self) -> BufferResult<Item> {
        if let Some(weighted) = self.weighted() {
            return weighted.try_pop();
        }
        either!(self, buffer => buffer.try_pop(), queue => match queue.try_dequeue() {
            Ok(Some(item)) => {
                settle();
                Ok(item)
            }
            Ok(None) => Err(BufferError::Empty),
            Err(error) => Err(error),
        })
    }

    pub fn pop_into(&self, target: &mut [MaybeUninit<Item>]) -> BufferResult<usize> {
        if let Some(weighted) = self.weighted() {
            return weighted.pop_into(target);
        }
        either!(self, buffer => buffer.pop_into(target), queue => {
            let items = queue.dequeue_batch(target.len())?;
            let count = items.len();
            for (place, item) in target.iter_mut().zip(items) {
                place.write(item);
            }
            if count > 0 {
                settle();
            }
            Ok(count)
        })
    }

    /// Takes everything that is there now.
    pub fn drain(&self) -> BufferResult<Vec<Item>> {
        if let Some(weighted) = self.weighted() {
            return Ok(weighted.drain());
        }
        either!(self, buffer => Ok(buffer.drain()), queue => match queue.dequeue_batch(queue.len()) {
            Ok(items) => {
                if !items.is_empty() {
                    settle();
                }
                Ok(items)
            }
            Err(BufferError::Closed) => Ok(Vec::new()),
            Err(error) => Err(error),
        })
    }

    /// Takes everything that is there now, to be dropped.
    pub fn discard(&self) -> BufferResult<Vec<Item>> {
        if let Some(weighted) = self.weighted() {
            return Ok(weighted.discard());
        }
        let items = each!(self, queue => queue.discard())?;
        if self.is_lock_free() && !items.is_empty() {
            settle();
        }
        Ok(items)
    }

    /// Closes the buffer and takes everything, at one moment. Only for the buffer with a lock.
    pub fn close_and_drain(&self) -> Rest {
        let Locked { buffer, .. } = self else { unreachable!("only the buffer with a lock moves") };
        let (was_closed, items) = buffer.close_and_drain();
        Rest { was_closed, items }
    }

    /// Closes the buffer if it is open and nothing was ever put in, at one moment; returns whether that was
    /// so. Not for the queues without a lock.
    pub fn close_unused(&self) -> bool {
        match self {
            Locked { buffer, .. } => buffer.close_unused(),
            Levels(leveled) => leveled.buffer.close_unused(),
            _ => unreachable!("no queue begins without a lock"),
        }
    }

    /// Whether anything was ever put in, or the queue was closed.
    pub fn is_used(&self) -> bool {
        self.pushed() != 0 || self.is_closed()
    }

    /// Begins anew with another configuration; returns what was inside. Only for the buffer with a lock.
    pub fn restart(&self, config: &Config) -> BufferResult<Vec<Item>> {
        let Locked { buffer, .. } = self else { unreachable!("only the buffer with a lock begins anew") };
        buffer.restart(config)
    }

    /// What `look` makes of each item. `look` creates references, so the thread has to be attached.
    pub fn iter_with(&self, py: Python<'_>, mut look: impl FnMut(&Item) -> Item) -> BufferResult<Vec<Item>> {
        patiently(py, || either!(self, buffer => Ok(buffer.iter_with(&mut look)), queue => queue.iter_with(&mut look)))
    }

    pub fn peek_with(&self, py: Python<'_>, mut look: impl FnMut(&Item) -> Item) -> BufferResult<Item> {
        patiently(py, || each!(self, queue => queue.peek_with(&mut look)))
    }

    pub fn try_visit(&self, visit: &mut dyn FnMut(&Item) -> ControlFlow<()>) {
        each!(self, queue => queue.try_visit(visit));
    }

    pub fn wait_for_item(&self) -> Waiter<'_> {
        each!(self, queue => queue.wait_for_item())
    }

    pub fn wait_for_room(&self) -> Waiter<'_> {
        each!(self, queue => queue.wait_for_room())
    }

    pub fn wait_for_bulk_room(&self) -> Waiter<'_> {
        each!(self, queue => queue.wait_for_bulk_room())
    }

    /// Passes on the wake-up of a waiter that may have been woken and had to give up.
    pub fn wake_others(&self) {
        each!(self, queue => queue.pass_on());
    }

    pub fn len(&self) -> usize {
        each!(self, queue => queue.len())
    }

    pub fn is_empty(&self) -> bool {
        each!(self, queue => queue.is_empty())
    }

    pub fn capacity(&self) -> usize {
        each!(self, queue => queue.capacity())
    }

    pub fn max_capacity(&self) -> usize {
        each!(self, queue => queue.max_capacity())
    }

    pub fn pushed(&self) -> u64 {
        either!(self, buffer => buffer.pushed(), queue => queue.stats().messages_enqueued)
    }

    pub fn stats(&self) -> QueueStats {
        each!(self, queue => queue.stats())
    }

    pub fn close(&self) {
        match self.weighted() {
            Some(weighted) => weighted.close(),
            None => each!(self, queue => queue.close()),
        }
        settle();
    }

    pub fn is_closed(&self) -> bool {
        each!(self, queue => queue.is_closed())
    }
}

/// Looks again while a thread is taking, which takes only a moment: threads that wait for an item hold no
/// turn meanwhile.
fn patiently<T>(py: Python<'_>, mut look: impl FnMut() -> BufferResult<T>) -> BufferResult<T> {
    loop {
        match look() {
            Err(BufferError::InvalidOperation(_)) => detached(py, thread::yield_now),
            settled => return settled,
        }
    }
}
