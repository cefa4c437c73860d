//! `Items`: the items of a queue, in one of the buffers with a lock or in any other buffer of the crate,
//! behind one set of methods.
//!
//! The buffers with a lock are the fast path: after one comparison, each method calls the buffer's own. All
//! other buffers are behind `Parts`, the crate's trait for what layers above need, so a new kind needs no
//! line here. Nothing is assumed of them. They may change without a lock: then a change is followed by a
//! fence here, so that the look for waiting tasks comes after the change. (The buffer itself wakes the
//! threads that wait.) And an attempt may find another thread at work at the same end.

use super::leveled::Leveled;
use crate::raw::Item;
use crate::raw::detach::detached;
use crate::raw::lists::{Newest, Places};
use crate::raw::lock::RingLock;
use crate::room::weights::Weighted;
use crate::waiting::line::InLine;
use elasticq::{
    BufferError, BufferResult, Config, DynamicCircularBuffer, Glance, Oldest, Parts, QueueStats, Rejected, Report,
    Waiter, Waiting,
};
use pyo3::Python;
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
    /// The same buffer as a stack: calls that take or look begin with the newest item. It never has weights.
    Lifo(DynamicCircularBuffer<Item, RingLock>),
    /// With levels. Calls that name no level mean the middle one.
    Leveled(Box<Leveled>),
    /// Any other buffer.
    Other(Box<dyn Parts<Item>>),
}

/// What was in a buffer that was closed for good.
pub struct Rest {
    pub was_closed: bool,
    pub items: Vec<Item>,
}

use Items::{Leveled as Levels, Lifo, Locked, Other};

/// The same call for all variants; it changes no items.
macro_rules! each {
    ($items:expr, $queue:ident => $call:expr) => {
        match $items {
            Locked { buffer, weighted } => {
                let $queue = weighted.get().map_or(buffer, |weighted| weighted.items());
                $call
            }
            Lifo($queue) => $call,
            Levels($queue) => $call,
            Other($queue) => $call,
        }
    };
}

/// One call for the buffers with a lock, and another one for any other. If there are weights, it changes
/// no items. What depends on the order is not for a stack.
macro_rules! either {
    ($items:expr, $buffer:ident => $locked:expr, $queue:ident => $other:expr) => {
        match $items {
            Locked { buffer, weighted } => {
                let $buffer = weighted.get().map_or(buffer, |weighted| weighted.items());
                $locked
            }
            Lifo($buffer) => $locked,
            Levels($buffer) => $locked,
            Other($queue) => $other,
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
    /// Items in a buffer of any kind.
    pub fn other(buffer: impl Parts<Item> + 'static) -> Self {
        Other(Box::new(buffer))
    }

    /// The buffer of a `Queue`, in either order, without weights.
    #[inline(always)]
    pub const fn of_queue(&self) -> Option<&DynamicCircularBuffer<Item, RingLock>> {
        match self {
            Locked { buffer, .. } | Lifo(buffer) => Some(buffer),
            _ => None,
        }
    }

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

    /// Whether the buffer may change without a lock.
    #[inline(always)]
    pub const fn is_other(&self) -> bool {
        matches!(self, Other(_))
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
            Locked { buffer, .. } | Lifo(buffer) => return buffer.offer_some(items),
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
            Locked { buffer, .. } | Lifo(buffer) => buffer.offer_with(count, make),
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
        if let Lifo(buffer) = self {
            return buffer.try_pop_newest();
        }
        either!(self, buffer => buffer.try_pop(), queue => queue.try_pop().inspect(|_| settle()))
    }

    /// Takes as many items as there are places.
    pub fn pop_into(&self, places: &mut Places<'_>) -> BufferResult<()> {
        match self {
            Locked { buffer, weighted } => match weighted.get() {
                Some(weighted) => weighted.pop_into(places),
                None => places.take_from(buffer).map(drop),
            },
            Lifo(buffer) => places.take_from(&Newest(buffer)).map(drop),
            Levels(leveled) => places.take_from(&leveled.buffer).map(drop),
            Other(queue) => {
                let items = queue.try_pop_batch(places.left())?;
                if !items.is_empty() {
                    settle();
                }
                places.extend(items);
                Ok(())
            }
        }
    }

    /// Takes everything that is there now, in the order in which single calls would take it.
    pub fn drain(&self) -> BufferResult<Vec<Item>> {
        if let Some(weighted) = self.weighted() {
            return Ok(weighted.drain());
        }
        if let Lifo(buffer) = self {
            return Ok(reversed(buffer.drain()));
        }
        either!(self, buffer => Ok(buffer.drain()), queue => match queue.try_pop_batch(queue.len()) {
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
        either!(self, buffer => buffer.discard(), queue => queue.discard().inspect(|_| settle()))
    }

    /// Closes the buffer and takes everything, oldest first, at one moment. Only for a `Queue`.
    pub fn close_and_drain(&self) -> Rest {
        let Some(buffer) = self.of_queue() else { unreachable!("only a Queue moves") };
        let (was_closed, items) = buffer.close_and_drain();
        Rest { was_closed, items }
    }

    /// Closes the buffer if it is open and nothing was ever put in, at one moment; returns whether that was
    /// so. Only for the buffers with a lock.
    pub fn close_unused(&self) -> bool {
        match self {
            Locked { buffer, .. } | Lifo(buffer) => buffer.close_unused(),
            Levels(leveled) => leveled.buffer.close_unused(),
            _ => unreachable!("every queue begins with a lock"),
        }
    }

    /// Whether anything was ever put in, or the queue was closed.
    pub fn is_used(&self) -> bool {
        self.pushed() != 0 || self.is_closed()
    }

    /// Begins anew with another configuration; returns what was inside. Only for a `Queue`.
    pub fn restart(&self, config: &Config) -> BufferResult<Vec<Item>> {
        let Some(buffer) = self.of_queue() else { unreachable!("only a Queue begins anew") };
        buffer.restart(config)
    }

    /// What `look` makes of each item. `look` creates references, so the thread has to be attached.
    pub fn iter_with(&self, py: Python<'_>, mut look: impl FnMut(&Item) -> Item) -> BufferResult<Vec<Item>> {
        if let Lifo(buffer) = self {
            return Ok(reversed(buffer.iter_with(look)));
        }
        either!(self, buffer => Ok(buffer.iter_with(look)), queue => patiently(py, || {
            // Declared before the look, so that if it panics, the references are dropped only after it.
            let mut seen = Vec::with_capacity(queue.len());
            queue.visit(&mut |item| {
                seen.push(look(item));
                ControlFlow::Continue(())
            })?;
            Ok(seen)
        }))
    }

    pub fn peek_with(&self, py: Python<'_>, mut look: impl FnMut(&Item) -> Item) -> BufferResult<Item> {
        if let Lifo(buffer) = self {
            return buffer.peek_newest_with(look);
        }
        either!(self, buffer => buffer.peek_with(look), queue => patiently(py, || {
            let mut seen = None;
            queue.visit(&mut |item| {
                seen = Some(look(item));
                ControlFlow::Break(())
            })?;
            seen.ok_or_else(|| {
                // In this order: nothing is put in after closing.
                let ended = queue.is_closed() && queue.is_empty();
                if ended { BufferError::Closed } else { BufferError::Empty }
            })
        }))
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

    /// For a caller that waits no longer: tells the others of what it may have been woken for. The buffer
    /// with a lock does so by itself, since there one place is as good as another.
    pub fn pass_on(&self) {
        match self {
            Locked { .. } | Lifo(_) => {}
            Levels(leveled) => leveled.buffer.pass_on(),
            Other(queue) => queue.pass_on(),
        }
    }

    /// Tells the threads that wait what there is now: for a thread that was woken and took from another
    /// queue.
    pub fn tell_anew(&self) {
        each!(self, queue => queue.pass_on());
    }

    /// What the buffer looks like now; `None` if another thread holds its lock.
    pub fn glance(&self) -> Option<Glance> {
        each!(self, queue => queue.glance())
    }

    /// How many threads wait for an item, and for room.
    pub fn waiting_threads(&self) -> (usize, usize) {
        let in_line = self.in_line().threads;
        each!(self, queue => (queue.waiting_consumers(), queue.waiting_producers() + in_line))
    }

    /// The threads that wait for an item, and for room; with those that a queue with weights keeps in line
    /// itself.
    pub fn waiting(&self) -> (Waiting, Waiting) {
        each!(self, queue => (queue.waiting_for_item(), queue.waiting_for_room()))
    }

    /// Who waits for room in a queue with weights.
    pub fn in_line(&self) -> InLine {
        self.weighted().and_then(|weighted| weighted.line.waiting()).unwrap_or_default()
    }

    /// What it knows of itself beside its counters.
    pub fn report(&self, report: &mut Report) {
        each!(self, queue => queue.report(report));
        if let Lifo(_) = self {
            report.oldest = Oldest::Unknown;
        }
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

fn reversed(mut items: Vec<Item>) -> Vec<Item> {
    items.reverse();
    items
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
