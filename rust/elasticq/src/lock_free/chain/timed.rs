//! Putting with patience: a producer that finds no room waits for it, as a thread or as a task.

use super::{Chain, Guess, Takers};
#[cfg(all(feature = "streams", not(loom)))]
use super::{FLAGS, position};
use crate::error::{BufferResult, Rejected, give_back};
#[cfg(all(feature = "streams", not(loom)))]
use crate::sync::Ordering;
use crate::wait::{Signal, Waiter, block, complete_or_register, complete_put, try_briefly_or_register, unless_full};
use std::mem::take;
use std::time::Duration;

impl<T, C: Takers<T>> Chain<T, C> {
    /// Puts an item, blocking until there is room.
    pub(in crate::lock_free) fn push_within(&self, item: T, timeout: Duration) -> Result<(), Rejected<T>> {
        let mut place = Some(item);
        let put = self.put_within(timeout, Signal::waiter, || self.put(&mut place));
        give_back(put.inspect_err(|_| self.tally.note_refused(1)), place)
    }

    /// Puts all of `items` or none, blocking until there is room for all. A batch that can never fit is
    /// refused at once.
    pub(in crate::lock_free) fn push_all_within(
        &self,
        mut items: Vec<T>,
        timeout: Duration,
    ) -> Result<(), Rejected<Vec<T>>> {
        if items.len() > self.elasticity.max() {
            return self.push_all(None, items);
        }
        let put = self.put_within(timeout, Signal::bulk_waiter, || self.put_all(&mut items));
        give_back(put, Some(items))
    }

    /// Puts all of `items` in, or leaves them where they are.
    fn put_all(&self, items: &mut Vec<T>) -> BufferResult<()> {
        self.push_all(None, take(items)).map_err(|rejected| {
            let (reason, refused) = rejected.into_parts();
            *items = refused;
            reason
        })
    }

    fn put_within(
        &self,
        timeout: Duration,
        register: impl Fn(&Signal) -> Waiter<'_>,
        mut put: impl FnMut() -> BufferResult<()>,
    ) -> BufferResult<()> {
        block(timeout, || try_briefly_or_register(|| unless_full(put()), || self.room_waiter(&register)))
    }

    /// Puts `item`, waiting for room as a task.
    #[inline(always)]
    pub(in crate::lock_free) fn send(
        &self,
        guess: Option<&Guess>,
        item: T,
    ) -> impl Future<Output = Result<(), Rejected<T>>> {
        let look = move |place: &mut Option<T>| self.put_plainly(guess, place);
        complete_put(
            item,
            look,
            |place| self.put(place),
            || self.room_waiter(Signal::waiter),
            |_| self.tally.note_refused(1),
        )
    }

    /// The same with the item that is in `place`. On an error it is still there, and is not counted.
    #[cfg(all(feature = "async", not(loom)))]
    pub(in crate::lock_free) fn send_from(&self, place: &mut Option<T>) -> impl Future<Output = BufferResult<()>> {
        complete_or_register(|| unless_full(self.put(place)), || self.room_waiter(Signal::waiter))
    }

    /// Puts all of `items`, or leaves them where they are. A refusal is not counted.
    pub(in crate::lock_free) async fn send_all(&self, items: &mut Vec<T>) -> BufferResult<()> {
        if items.len() > self.elasticity.max() {
            return self.put_all(items);
        }
        complete_or_register(|| unless_full(self.put_all(items)), || self.room_waiter(Signal::bulk_waiter)).await
    }

    /// Whether there seems to be room for an item, or the queue is closed.
    #[cfg(all(feature = "streams", not(loom)))]
    pub(in crate::lock_free) fn seems_ready(&self) -> bool {
        let tail = self.tail.load(Ordering::SeqCst);
        // A segment that is out of date makes the answer out of date, and no worse.
        if tail & FLAGS == 0 && position(tail) < self.current().limit.load(Ordering::Relaxed) {
            return true;
        }
        let (pushed, popped, _) = self.counts();
        pushed - popped < self.elasticity.max() as u64 || self.is_closed()
    }

    /// A waiter for room, of the kind that `register` makes.
    fn room_waiter<'a>(&'a self, register: impl Fn(&'a Signal) -> Waiter<'a>) -> Waiter<'a> {
        let waiter = register(&self.room);
        self.producer_registered();
        waiter
    }
}
