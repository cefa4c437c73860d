//! What streams and sinks need of the handles of a queue that was split.
//!
//! A stream takes as its handle does, so it needs no barrier where it registers: an item that is claimed and
//! not yet published lets it look again soon.

use super::handles::pass_on;
use super::{Consumer, MpmcConsumer, MpmcProducer, Producer, SpscConsumer, SpscProducer};
use crate::buffer::{PuttingEnd, Sealed, TakingEnd};
use crate::error::{BufferResult, Rejected};
use crate::sync::Arc;
use crate::wait::{Attempt, Waiter};

impl<T: Send> TakingEnd<T> for Consumer<T> {
    #[inline(always)]
    fn take_or_register(&mut self) -> Attempt<'static, BufferResult<T>>
    where
        Self: 'static,
    {
        let (core, taker) = self.taker();
        let attempt = core.take_or_register(taker, || Waiter::owned(Arc::clone(core), |core| &core.items));
        core.tell_producers();
        attempt
    }
}

impl<T: Send> TakingEnd<T> for MpmcConsumer<T> {
    #[inline(always)]
    fn take_or_register(&mut self) -> Attempt<'static, BufferResult<T>>
    where
        Self: 'static,
    {
        let core = &self.core;
        let attempt = core.take_or_register(self.record(), || Waiter::owned(Arc::clone(core), |core| &core.items));
        core.tell_producers();
        attempt
    }
}

impl<T: Send> TakingEnd<T> for SpscConsumer<T> {
    #[inline(always)]
    fn take_or_register(&mut self) -> Attempt<'static, BufferResult<T>>
    where
        Self: 'static,
    {
        let (core, taker) = self.taker();
        let attempt = core.pop_or_register(taker, || Waiter::owned(Arc::clone(core), |core| &core.items));
        core.tell_producer();
        attempt
    }
}

macro_rules! putting {
    ($($producer:ident)*) => {$(
        impl<T: Send> PuttingEnd<T> for $producer<T> {
            #[inline(always)]
            fn offer_again(&mut self, item: T) -> Result<(), Rejected<T>> {
                self.put_quietly(item)
            }

            #[inline(always)]
            fn is_ready(&mut self) -> bool {
                self.seems_ready()
            }

            fn wait_for_room(&self) -> Waiter<'static>
            where
                Self: 'static,
            {
                let waiter = Waiter::owned(Arc::clone(&self.core), |core| &core.room);
                self.core.producer_registered();
                waiter
            }

            fn is_closed(&self) -> bool {
                self.is_closed()
            }

            fn pass_on(&self) {
                pass_on!(self);
            }

            fn note_refused(&self) {
                self.core.tally.note_refused(1);
            }
        }
    )*};
}

putting!(Producer MpmcProducer SpscProducer);

macro_rules! sealed {
    ($($handle:ident)*) => { $(impl<T> Sealed for $handle<T> {})* };
}

sealed!(Consumer MpmcConsumer SpscConsumer Producer MpmcProducer SpscProducer);
