//! What tasks do with a durable queue. They wait for nothing by blocking: neither for items or room, nor for
//! a sync, a new file or an item on the disk, for which another thread cares (`ready`).

use super::PersistentCircularBuffer;
use super::at_once::AtOnce;
use super::codec::{Codec, PushOptions};
use super::core::Extra;
use super::lease::{Lease, millis};
use super::ready::Need;
use super::taken::{Looking, Taken};
use crate::error::{BufferError, BufferResult, Rejected, give_back};
use crate::wait::{Attempt, Waiter, complete, try_or_register, unless_empty, unless_full};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

impl<T, C: Codec<T>> PersistentCircularBuffer<T, C> {
    /// Adds `item` at the end, waiting as a task until there is room.
    ///
    /// A future that is dropped while it waits for room has put nothing in; one that is dropped while it
    /// waits for a sync has put the item in.
    ///
    /// # Errors
    /// As [`offer`](Self::offer) without capacity errors.
    pub async fn send(&self, item: T) -> Result<(), Rejected<T>> {
        self.send_with(item, &PushOptions::default()).await.map(drop)
    }

    /// [`send`](Self::send) as `options` say. Returns false if an item of that name is known already; then
    /// nothing was added.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_with(&self, item: T, options: &PushOptions) -> Result<bool, Rejected<T>> {
        let extra = Extra { id: &options.id, headers: &options.headers, delay: millis(options.delay) };
        let put = async {
            let bytes = self.encode(&item)?;
            let bytes_in_all = bytes.len() + options.id.len() + options.headers.len();
            let mut ready = self.core.when_ready(Need::to_add(1, bytes_in_all));
            let attempt = || unless_full(self.core.put_now(&[&bytes], extra));
            let attempt = || try_or_register(attempt, || self.core.not_full.waiter());
            let (added, number) = complete(|| ready.attempt(attempt)).await?;
            self.core.settle_as_task(number).await.map(|()| added)
        };
        let put = put.await;
        give_back(put.inspect_err(|_| self.core.tally.note_refused(1)), Some(item))
    }

    /// Adds all of `items`, waiting as a task until there is room for all, or, on an error, none of them.
    ///
    /// # Errors
    /// As [`push_batch`](Self::push_batch) without `Full` and `Timeout`; the [`Rejected`] holds the items.
    ///
    /// # Examples
    /// ```
    /// use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, PushOptions};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
    /// let queue = PersistentCircularBuffer::new(config)?;
    /// pollster::block_on(async {
    ///     queue.send(1).await?;
    ///     queue.send_batch(vec![2, 3, 4]).await?;
    ///     assert!(queue.send_with(5, &PushOptions::default().with_id("five")).await?);
    ///     assert_eq!(queue.recv().await?, 1);
    ///     let jobs = queue.lease_batch_async(2, None).await?;
    ///     assert_eq!(queue.ack_batch_async(jobs).await?, [2, 3]);
    ///     assert_eq!(*queue.lease_async(None).await?, 4); // dropped, so given back
    ///     Ok::<(), elasticq::BufferError>(())
    /// })?;
    /// assert_eq!(queue.len(), 2);
    /// # Ok::<(), elasticq::BufferError>(())
    /// ```
    pub async fn send_batch(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        let put = async {
            let bytes = self.encode_all(&items)?;
            let slices: Vec<&[u8]> = bytes.iter().map(AsRef::as_ref).collect();
            let bytes_in_all = slices.iter().map(|item| item.len()).sum();
            let mut ready = self.core.when_ready(Need::to_add(slices.len(), bytes_in_all));
            let can_fit = items.len() <= self.core.max_items();
            let attempt = || {
                let put = self.core.put_now(&slices, Extra::default());
                if can_fit { unless_full(put) } else { Some(put) }
            };
            let attempt = || try_or_register(attempt, || self.core.not_full.bulk_waiter());
            let (_, number) = complete(|| ready.attempt(attempt)).await?;
            self.core.settle_as_task(number).await
        };
        let put = put.await;
        give_back(put.inspect_err(|_| self.core.tally.note_refused(items.len())), Some(items))
    }

    /// Takes the oldest item for good, waiting as a task until there is one.
    ///
    /// A future that is dropped before it is done has taken nothing, also if the queue was finished
    /// meanwhile. (If it waited for a sync, a power cut before the next one may take the item.)
    ///
    /// # Errors
    /// As [`pop`](Self::pop) without `Empty` and `Timeout`.
    pub async fn recv(&self) -> BufferResult<T> {
        let (taken, ()) = self.take_back_async(1, || ()).await?;
        self.decode_taken(taken)?.pop().ok_or(BufferError::Empty)
    }

    /// What the items are that were taken. Those from the first on that can't be understood go back.
    fn decode_taken(&self, taken: Taken) -> BufferResult<Vec<T>> {
        let mut items = Vec::new();
        for item in taken.all() {
            match self.decode(item) {
                Ok(decoded) => items.push(decoded),
                Err(error) if items.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        taken.keep(items.len())?;
        Ok(items)
    }

    /// Adds all of `items` or none, as a task that waits for no room. The bytes are made first, so the future
    /// holds no reference to an item.
    pub(super) async fn offer_batch_as_task(&self, items: Vec<T>) -> Result<(), Rejected<Vec<T>>> {
        let bytes = self.encode_all(&items).map(|all| all.into_iter().map(Cow::into_owned).collect::<Vec<_>>());
        let put = async {
            let bytes = bytes?;
            let slices: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
            let need = Need::to_add(slices.len(), slices.iter().map(|item| item.len()).sum());
            let mut ready = self.core.when_ready(need);
            let attempt = || Attempt::Settled(self.core.put_now(&slices, Extra::default()));
            let (_, number) = complete(|| ready.attempt(attempt)).await?;
            self.core.settle_as_task(number).await
        };
        give_back(put.await, Some(items))
    }

    /// Takes up to `most` items, as a task that waits for none.
    pub(super) async fn take_batch_as_task(&self, most: usize) -> BufferResult<Vec<T>> {
        let mut ready = self.core.when_ready(Need::to_take(most));
        let attempt = || Attempt::Settled(self.core.pop_outstanding(most));
        let popped = match complete(|| ready.attempt(attempt)).await {
            Err(BufferError::Empty) => return Ok(Vec::new()),
            popped => popped?,
        };
        let number = popped.number;
        let taken = Taken::new(&self.core, popped);
        self.core.settle_as_task(number).await?;
        self.decode_taken(taken)
    }

    /// Takes up to `max_items` items on lease, waiting as a task for the first. A future that is dropped
    /// before it is done gives the items back.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn lease_batch_async(&self, max_items: usize, ttl: Option<Duration>) -> BufferResult<Vec<Lease<T>>> {
        let attempt = || unless_empty(self.core.lease_now(max_items, ttl));
        let attempt = || try_or_register(attempt, || self.core.not_empty.waiter());
        let mut ready = self.core.when_ready(Need::to_take(max_items));
        let (leased, number) = complete(|| ready.attempt(attempt)).await?;
        let leases = self.leases(&leased)?;
        self.core.settle_as_task(number).await?;
        Ok(leases)
    }

    /// Takes the oldest item on lease, waiting as a task until there is one.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn lease_async(&self, ttl: Option<Duration>) -> BufferResult<Lease<T>> {
        self.lease_batch_async(1, ttl).await?.pop().ok_or(BufferError::Empty)
    }

    /// [`ack_batch`](Self::ack_batch) as a task. A future that is dropped before it is done has ended the
    /// leases all the same, or has given the items back.
    ///
    /// # Errors
    /// As [`ack_batch`](Self::ack_batch).
    pub async fn ack_batch_async(&self, leases: Vec<Lease<T>>) -> Result<Vec<T>, Rejected<Vec<Lease<T>>>> {
        let keys: Vec<_> = leases.iter().map(Lease::key).collect();
        let acked = if keys.is_empty() { Ok(()) } else { self.core.ack_as_task(&keys).await };
        match acked {
            Ok(()) => Ok(leases.into_iter().map(Lease::ended).collect()),
            Err(reason) => Err(Rejected::new(reason, leases)),
        }
    }
}

// For the binding to Python. Its items become objects only where the interpreter is, and that may fail.
#[doc(hidden)]
impl<T, C: Codec<T>> PersistentCircularBuffer<T, C> {
    /// One attempt to add an item. If it is refused, that is not counted.
    pub fn offer_with_again(&self, item: &T, options: &PushOptions) -> BufferResult<bool> {
        let extra = Extra { id: &options.id, headers: &options.headers, delay: millis(options.delay) };
        self.core.put(&[&self.encode(item)?], extra)
    }

    /// A look at the items that goes on from one to the next.
    pub fn looking(&self) -> BufferResult<Looking> {
        Looking::new(&self.core)
    }

    /// Waits for any change of the queue.
    pub fn wait_for_change(&self) -> Waiter<'_> {
        self.core.changed.waiter()
    }

    /// The same for a task; `queue` finds the queue in its owner.
    pub fn owned_wait_for_change<B: Send + Sync + 'static>(owner: Arc<B>, queue: fn(&B) -> &Self) -> Waiter<'static>
    where
        Self: 'static,
    {
        Waiter::owned(owner, move |owner| &queue(owner).core.changed)
    }

    /// Tells those who wait for a change of one that the queue does not know.
    pub fn note_change(&self) {
        self.core.wake();
    }

    /// Adds an item as bytes in two pieces, if that takes only a moment.
    pub fn offer_at_once(&self, pieces: [&[u8]; 2]) -> Option<BufferResult<()>> {
        self.core.put_at_once(pieces)
    }

    /// Takes an item if that takes only a moment. `read` makes something of its bytes. It runs under a lock,
    /// so it must call nothing that could come back to this queue. If it makes nothing, the item can still be
    /// put back.
    pub fn take_at_once<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<BufferResult<AtOnce<R, Taken>>> {
        let taken = self.core.pop_at_once(read)?;
        Some(taken.map(|taken| match taken {
            AtOnce::Made(made) => AtOnce::Made(made),
            AtOnce::Outstanding(popped) => AtOnce::Outstanding(Taken::new(&self.core, popped)),
        }))
    }

    /// Takes up to so many items that can still be put back.
    pub fn take_back(&self, most: usize) -> BufferResult<Taken> {
        let popped = self.core.pop_outstanding(most)?;
        let number = popped.number;
        let taken = Taken::new(&self.core, popped);
        self.core.settle(number)?;
        self.core.wake();
        Ok(taken)
    }

    /// The same as a task that waits for the first. `begin` is called before each attempt, and the result has
    /// what it gave. After one that came to nothing those who wait for a change look again: `begin` was one.
    pub async fn take_back_async<G>(&self, most: usize, begin: impl Fn() -> G) -> BufferResult<(Taken, G)> {
        let attempt = || {
            let begun = begin();
            let taken = self.core.pop_outstanding(most).map(|taken| (taken, begun));
            unless_empty(taken.inspect_err(|_| self.core.wake()))
        };
        let attempt = || try_or_register(&attempt, || self.core.not_empty.waiter());
        let mut ready = self.core.when_ready(Need::to_take(most));
        let (popped, begun) = complete(|| ready.attempt(attempt)).await?;
        let number = popped.number;
        let taken = Taken::new(&self.core, popped);
        self.core.settle_as_task(number).await?;
        Ok((taken, begun))
    }
}
