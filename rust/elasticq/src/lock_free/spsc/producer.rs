//! Putting in, growing and shrinking.

use super::core::{CLOSED, CONSUMER_SLEEPS, Core, SPARSE, to_usize};
use super::segment::{Cursor, Segment};
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::positions::end_of_batch;
use crate::sync::Ordering;
use crate::sync::barrier::often;
use crate::wait::{Waiter, block, complete_or_register, try_briefly_or_register, unless_full};
use std::mem::take;
use std::time::Duration;

/// What is still to be done after something was put in. It is done when the turn has ended, since a woken
/// thread may use the queue.
#[derive(Clone, Copy, Default)]
#[must_use = "a consumer may sleep"]
pub(in crate::lock_free) enum Put {
    #[default]
    Quietly,
    /// A consumer sleeps, or has slept: `tell_consumer`.
    Awaited,
}

impl<T> Core<T> {
    /// Ends what a push has begun, by waking a consumer that sleeps. The caller's turn has ended.
    #[inline(always)]
    pub(in crate::lock_free) fn tell_consumer(&self, put: Put) {
        if matches!(put, Put::Awaited) {
            self.tell_who_waits(CONSUMER_SLEEPS);
        }
    }

    #[inline(always)]
    pub(in crate::lock_free) fn push(&self, maker: &mut Cursor<T>, item: T) -> Result<Put, Rejected<T>> {
        if self.notes.load(Ordering::Relaxed) != 0 || maker.position >= maker.limit {
            return self.push_with_care(maker, item);
        }
        // SAFETY: there is room, and the caller is the producer.
        unsafe { maker.write(item) };
        self.publish(maker).map_or_else(|| self.take_back(maker), Ok)
    }

    #[cold]
    fn push_with_care(&self, maker: &mut Cursor<T>, item: T) -> Result<Put, Rejected<T>> {
        let mut place = Some(item);
        give_back(self.put(maker, &mut place), place)
    }

    /// Puts the item that is in `place`, if there is one; on an error it is still there.
    #[inline(always)]
    pub(super) fn put(&self, maker: &mut Cursor<T>, place: &mut Option<T>) -> BufferResult<Put> {
        self.make_room(maker, 1)?;
        let Some(item) = place.take() else { return Ok(Put::Quietly) };
        // SAFETY: there is room, and the caller is the producer.
        unsafe { maker.write(item) };
        if let Some(put) = self.publish(maker) {
            return Ok(put);
        }
        // SAFETY: as in `take_back`.
        *place = Some(unsafe { maker.take_back() });
        Err(BufferError::Closed)
    }

    #[cold]
    fn take_back(&self, maker: &mut Cursor<T>) -> Result<Put, Rejected<T>> {
        // SAFETY: written just now; the queue has ended before it.
        let item = unsafe { maker.take_back() };
        Err(Rejected::new(BufferError::Closed, item))
    }

    /// Puts all of `items`, or none of them.
    pub(in crate::lock_free) fn push_all(&self, maker: &mut Cursor<T>, items: Vec<T>) -> Result<Put, Rejected<Vec<T>>> {
        let count = items.len();
        if count == 0 {
            return if self.is_closed() { Err(Rejected::new(BufferError::Closed, items)) } else { Ok(Put::Quietly) };
        }
        let max = self.elasticity.max();
        let end = match end_of_batch(maker.position, count as u64) {
            Ok(end) => end,
            Err(_) if self.is_closed() => return Err(Rejected::new(BufferError::Closed, items)),
            Err(_) if count > max => return Err(Rejected::new(BufferError::MaxCapacityReached(max), items)),
            Err(reason) => return Err(Rejected::new(reason, items)),
        };
        let plain = self.notes.load(Ordering::Relaxed) == 0 && end <= maker.limit;
        if !plain && let Err(reason) = self.make_room(maker, count) {
            return Err(Rejected::new(reason, items));
        }
        for item in items {
            if maker.position == maker.limit {
                maker.set_limit(end); // the lap has ended, the room has not
            }
            // SAFETY: there is room for all of them, and the caller is the producer.
            unsafe { maker.write(item) };
        }
        if let Some(put) = self.publish(maker) {
            return Ok(put);
        }
        // SAFETY: written just now, into one segment; the queue has ended before them.
        let mut items: Vec<_> = (0..count).map(|_| unsafe { maker.take_back() }).collect();
        items.reverse();
        Err(Rejected::new(BufferError::Closed, items))
    }

    /// Shows the consumer what was written, and looks whether the consumer sleeps. None: the queue was closed
    /// and ends before what was written, and the consumer will not look at that.
    #[inline(always)]
    fn publish(&self, maker: &Cursor<T>) -> Option<Put> {
        // Release: a consumer that sees the tail sees the items below it, and the links of segments that
        // ended before it.
        self.tail.store(maker.position, Ordering::Release);
        // Between publishing and looking at the notes. The other half: `rarely` in `registered` and in
        // `search`.
        often();
        if self.notes.load(Ordering::Relaxed) == 0 {
            return Some(Put::Quietly);
        }
        self.published_with_notes(maker.position)
    }

    #[cold]
    fn published_with_notes(&self, tail: u64) -> Option<Put> {
        let notes = self.notes.load(Ordering::SeqCst);
        // If the queue was closed meanwhile, the consumer may have settled the end already. If not, the end
        // is here.
        let in_time = notes & CLOSED == 0 || self.settle(tail) >= tail;
        in_time.then_some(if notes & CONSUMER_SLEEPS == 0 { Put::Quietly } else { Put::Awaited })
    }

    /// Makes sure that `count` more items fit: looks where the consumer is, and shrinks or grows the queue.
    fn make_room(&self, maker: &mut Cursor<T>, count: usize) -> BufferResult<()> {
        let notes = self.notes.load(Ordering::SeqCst);
        if notes & CLOSED != 0 {
            return Err(BufferError::Closed);
        }
        if notes & SPARSE != 0 {
            self.notes.fetch_and(!SPARSE, Ordering::SeqCst);
        }
        // Acquire: what the consumer has taken may be written over.
        let head = self.head.load(Ordering::Acquire);
        let len = to_usize(maker.position - head);
        let needed = len.saturating_add(count);
        if needed > maker.segment().capacity {
            self.grow(maker, len, needed)?;
        } else if len < maker.segment().sparse {
            self.shrink(maker, len, needed);
        }
        maker.set_limit(head.saturating_add(maker.segment().capacity as u64));
        Ok(())
    }

    fn grow(&self, maker: &mut Cursor<T>, len: usize, needed: usize) -> BufferResult<()> {
        let max = self.elasticity.max();
        if needed > max {
            let batch_could_fit = needed - len <= max && len < max;
            return Err(if batch_could_fit { BufferError::Full } else { BufferError::MaxCapacityReached(max) });
        }
        // If there is no memory for a whole step, the capacity that is needed will do.
        let grown = self.elasticity.grown(maker.segment().capacity, needed);
        self.move_on(maker, grown).or_else(|_| self.move_on(maker, needed))?;
        self.grown.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Shrinks the queue as far as one of `len` items that is to hold `needed` may shrink; tells whether it
    /// did. Without memory for a smaller segment it does not.
    pub(super) fn shrink(&self, maker: &mut Cursor<T>, len: usize, needed: usize) -> bool {
        let capacity = maker.segment().capacity;
        let mut shrunk = self.elasticity.shrunk(capacity, len);
        if shrunk < needed {
            shrunk = self.elasticity.shrunk(capacity, needed);
        }
        let shrinks = shrunk < capacity && self.move_on(maker, shrunk).is_ok();
        if shrinks {
            self.shrunk.fetch_add(1, Ordering::Relaxed);
        }
        shrinks
    }

    /// Goes on in a new segment of `capacity`. The old segment takes no more items.
    fn move_on(&self, maker: &mut Cursor<T>, capacity: usize) -> BufferResult<()> {
        let fresh = Segment::new(capacity, self.elasticity.shrinks_below(capacity), maker.position)?;
        let fresh = Box::into_raw(fresh);
        maker.segment().link(fresh, maker.position);
        maker.enter(fresh);
        self.capacity.store(capacity, Ordering::Relaxed);
        Ok(())
    }

    /// Whether there seems to be room for an item, or the queue is closed.
    #[cfg(all(feature = "streams", not(loom)))]
    #[inline(always)]
    pub(super) fn seems_ready(&self, maker: &Cursor<T>) -> bool {
        // SeqCst: the second half of "register, then look".
        maker.position < maker.limit
            || to_usize(maker.position - self.head.load(Ordering::SeqCst)) < self.elasticity.max()
            || self.is_closed()
    }

    /// A waiter for room. There is only one producer, so for a batch it need not be one that may need more
    /// room than others.
    pub(super) fn room_waiter(&self) -> Waiter<'_> {
        let waiter = self.room.waiter();
        self.producer_registered();
        waiter
    }

    fn put_within(&self, timeout: Duration, mut put: impl FnMut() -> BufferResult<Put>) -> BufferResult<Put> {
        block(timeout, || try_briefly_or_register(|| unless_full(put()), || self.room_waiter()))
    }

    // Putting one item or all, waiting or not, with what is refused counted.

    #[inline(always)]
    pub(super) fn offer(&self, maker: &mut Cursor<T>, item: T) -> Result<Put, Rejected<T>> {
        let put = self.push(maker, item);
        if put.is_err() {
            self.tally.note_refused(1);
        }
        put
    }

    pub(super) fn offer_batch(&self, maker: &mut Cursor<T>, items: Vec<T>) -> Result<Put, Rejected<Vec<T>>> {
        self.push_all(maker, items).inspect_err(|rejected| self.tally.note_refused(rejected.item().len()))
    }

    pub(super) fn offer_within(&self, maker: &mut Cursor<T>, item: T, timeout: Duration) -> Result<Put, Rejected<T>> {
        let mut place = Some(item);
        let put = self.put_within(timeout, || self.put(maker, &mut place));
        give_back(put.inspect_err(|_| self.tally.note_refused(1)), place)
    }

    /// A batch that can never fit is refused at once.
    pub(super) fn offer_batch_within(
        &self,
        maker: &mut Cursor<T>,
        mut items: Vec<T>,
        timeout: Duration,
    ) -> Result<Put, Rejected<Vec<T>>> {
        if items.len() > self.elasticity.max() {
            return self.offer_batch(maker, items);
        }
        let put = self.put_within(timeout, || self.put_all(maker, &mut items));
        give_back(put.inspect_err(|_| self.tally.note_refused(items.len())), Some(items))
    }

    /// Puts all of `items` in, or leaves them where they are.
    fn put_all(&self, maker: &mut Cursor<T>, items: &mut Vec<T>) -> BufferResult<Put> {
        self.push_all(maker, take(items)).map_err(|rejected| {
            let (reason, refused) = rejected.into_parts();
            *items = refused;
            reason
        })
    }

    /// Puts the item that is in `place`, waiting for room as a task; on an error it is still there. `right`
    /// is the right to be the producer meanwhile, from which `maker` gets the cursor. A refusal is not
    /// counted.
    pub(super) async fn send<R>(
        &self,
        mut right: R,
        maker: impl Fn(&mut R) -> &mut Cursor<T>,
        place: &mut Option<T>,
    ) -> BufferResult<Put> {
        complete_or_register(|| unless_full(self.put(maker(&mut right), place)), || self.room_waiter()).await
    }

    /// The same with all of `items`, or none.
    pub(super) async fn send_all<R>(
        &self,
        mut right: R,
        maker: impl Fn(&mut R) -> &mut Cursor<T>,
        items: &mut Vec<T>,
    ) -> BufferResult<Put> {
        if items.len() > self.elasticity.max() {
            return self.put_all(maker(&mut right), items);
        }
        complete_or_register(|| unless_full(self.put_all(maker(&mut right), items)), || self.room_waiter()).await
    }
}
