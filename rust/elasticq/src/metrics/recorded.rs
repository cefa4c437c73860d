//! The calls of an instrumented buffer, for the one that is owned and the one that is borrowed. A file that
//! uses this brings in what it names.

/// The wrapper's own methods, `Buffer` and `Parts`, for a wrapper with a `buffer` and a `probe`. After a call
/// that was timed, `timed` is called.
macro_rules! recorded {
    (calls) => {
        recorded!(@calls
            /// Puts `item` in. Waits for room if the buffer is configured to, and blocks the thread meanwhile.
            ///
            /// # Errors
            /// Those of the buffer; the item is dropped. [`offer`](Self::offer) hands it back.
            pub Push: push(item: T) -> BufferResult<()>);
        recorded!(@calls
            /// Puts `item` in, without ever waiting for room.
            ///
            /// # Errors
            /// Those of the buffer; the [`Rejected`] holds the item.
            pub Push: offer(item: T) -> Result<(), Rejected<T>>);
        recorded!(@calls
            /// Puts in all of `items` or, on an error, none of them. Waits for room for all if the buffer is
            /// configured to, and blocks the thread meanwhile.
            ///
            /// # Errors
            /// Those of the buffer; the items are dropped.
            pub PushBatch: push_batch(items: Vec<T>) -> BufferResult<()>);
        recorded!(@calls
            /// Takes the next item. Waits for one if the buffer is configured to, and blocks the thread
            /// meanwhile.
            ///
            /// # Errors
            /// Those of the buffer: `Empty`, `Timeout`, or `Closed` once a closed buffer is empty.
            pub Pop: pop() -> BufferResult<T>);
        recorded!(@calls
            /// Takes the next item, without ever waiting for one.
            ///
            /// # Errors
            /// Those of the buffer: `Empty`, or `Closed` once a closed buffer is empty.
            pub Pop: try_pop() -> BufferResult<T>);
        recorded!(@calls
            /// Takes up to `max_items` items; an empty vector if there are none. Waits for the first one if the
            /// buffer is configured to, and blocks the thread meanwhile. Linear in the number of items.
            ///
            /// # Errors
            /// Those of the buffer: `Closed` once a closed buffer is empty, or `ResizeError`.
            pub PopBatch: pop_batch(max_items: usize) -> BufferResult<Vec<T>>);

        /// How many items are in the buffer now.
        #[must_use]
        pub fn len(&self) -> usize {
            self.buffer.len()
        }

        /// Whether the buffer holds nothing now.
        #[must_use]
        pub fn is_empty(&self) -> bool {
            self.buffer.is_empty()
        }

        /// The logical capacity of the buffer now, in items.
        #[must_use]
        pub fn capacity(&self) -> usize {
            self.buffer.capacity()
        }

        /// Refuses all pushes from now on, and wakes all waiters. What is inside can still be taken.
        pub fn close(&self) {
            self.buffer.close();
        }

        /// Whether the buffer was closed.
        #[must_use]
        pub fn is_closed(&self) -> bool {
            self.buffer.is_closed()
        }

        /// The buffer's own counters and sizes at this moment.
        #[must_use]
        pub fn stats(&self) -> QueueStats {
            self.buffer.stats()
        }
    };
    (buffer) => {
        $crate::buffer::forward!(items: self => self);
        $crate::buffer::forward!(state: self => self.buffer);

        fn stats(&self) -> QueueStats {
            self.buffer.stats()
        }
    };
    (parts) => {
        recorded!(@calls Push: offer_again(item: T) -> Result<(), Rejected<T>>);
        recorded!(@calls PushBatch: offer_batch_again(items: Vec<T>) -> Result<(), Rejected<Vec<T>>>);
        recorded!(@calls PopBatch: try_pop_batch(max_items: usize) -> BufferResult<Vec<T>>);

        fn max_capacity(&self) -> usize {
            self.buffer.max_capacity()
        }
        fn waits_for_disk(&self) -> bool {
            self.buffer.waits_for_disk()
        }
        fn offer_as_task<'c>(&'c self, items: Vec<T>) -> Call<'c, Result<(), Rejected<Vec<T>>>>
        where
            T: Send + 'c,
        {
            self.buffer.offer_as_task(items)
        }
        fn take_as_task<'c>(&'c self, max_items: usize) -> Call<'c, BufferResult<Vec<T>>>
        where
            T: Send + 'c,
        {
            self.buffer.take_as_task(max_items)
        }
        fn discard(&self) -> BufferResult<Vec<T>> {
            self.buffer.discard()
        }
        fn note_refused(&self, items: usize) {
            self.buffer.note_refused(items);
        }
        fn note_dropped_on_arrival(&self, items: usize) {
            self.buffer.note_dropped_on_arrival(items);
        }
        fn visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) -> BufferResult<()> {
            self.buffer.visit(visit)
        }
        fn try_visit(&self, visit: &mut dyn FnMut(&T) -> ControlFlow<()>) {
            self.buffer.try_visit(visit);
        }
        fn wait_for_item(&self) -> Waiter<'_> {
            self.buffer.wait_for_item()
        }
        fn wait_for_room(&self) -> Waiter<'_> {
            self.buffer.wait_for_room()
        }
        fn wait_for_bulk_room(&self) -> Waiter<'_> {
            self.buffer.wait_for_bulk_room()
        }
        fn glance(&self) -> Option<Glance> {
            self.buffer.glance()
        }
        fn waiting_for_item(&self) -> Waiting {
            self.buffer.waiting_for_item()
        }
        fn waiting_for_room(&self) -> Waiting {
            self.buffer.waiting_for_room()
        }
        fn waiting_consumers(&self) -> usize {
            self.buffer.waiting_consumers()
        }
        fn waiting_producers(&self) -> usize {
            self.buffer.waiting_producers()
        }
        fn pass_on(&self) {
            self.buffer.pass_on();
        }
        fn report(&self, report: &mut Report) {
            self.buffer.report(report);
        }
    };
    (@calls $(#[$doc:meta])* $visibility:vis $operation:ident: $call:ident($($argument:ident: $type:ty)?) -> $result:ty) => {
        $(#[$doc])*
        #[inline(always)]
        $visibility fn $call(&self, $($argument: $type)?) -> $result {
            if self.probe.is_due() {
                let outcome = self.probe.time(Operation::$operation, || self.buffer.$call($($argument)?));
                self.timed();
                return outcome;
            }
            self.buffer.$call($($argument)?)
        }
    };
}
pub(super) use recorded;
