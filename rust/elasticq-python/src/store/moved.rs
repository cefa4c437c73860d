//! The slot for what serves a queue that has moved to the standard machinery (`elasticq._standard`). How a
//! queue gets there is in `standard::moving`.
//!
//! The fast path does not ask about moving. A moved queue's ring is closed and empty, and a thread that finds
//! it so looks here. The order makes that safe. The slot is filled *before* the ring is closed, so a thread
//! that finds the ring closed by the move also finds what is in the slot. And the lock of that object is held
//! until the items are in it, so a thread that comes early waits there.

use crate::raw::Item;
use elasticq::Signal;
use pyo3::prelude::*;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The `Standard` that serves a queue instead of its ring, once there is one.
#[derive(Default)]
pub struct Moved {
    standard: OnceLock<Item>,
    /// `WAITING`, `MOVING` or `MOVED`; written under the lock of `standard`.
    stage: AtomicU8,
    /// Where threads wait that select over this queue and others. (All others wait at the conditions of
    /// `standard`, and there only for one queue.)
    selectors: OnceLock<Box<Signal>>,
}

const WAITING: u8 = 0;
const MOVING: u8 = 1;
const MOVED: u8 = 2;

impl Moved {
    #[inline]
    pub fn get<'a, 'py>(&'a self, py: Python<'py>) -> Option<&'a Bound<'py, PyAny>> {
        self.standard.get().map(|standard| standard.bind(py))
    }

    /// Fills the slot; hands `standard` back if another thread has filled it.
    pub fn set(&self, standard: Item) -> Result<(), Item> {
        self.standard.set(standard)
    }

    /// The line for threads that select.
    pub fn selectors(&self) -> &Signal {
        self.selectors.get_or_init(Box::default)
    }

    /// Whether threads that select sleep there.
    #[inline]
    pub fn has_selectors(&self) -> bool {
        self.selectors.get().is_some_and(|selectors| selectors.has_sleepers())
    }

    /// For the garbage collector. The object breaks cycles by itself.
    pub fn held(&self) -> Option<&Item> {
        self.standard.get()
    }

    /// Whether everything has moved.
    pub fn is_complete(&self) -> bool {
        self.stage.load(Ordering::Acquire) == MOVED
    }

    /// Begins the move. False: it has begun before. The caller holds the lock of what is in the slot.
    pub fn begin(&self) -> bool {
        let begins = self.stage.load(Ordering::Relaxed) == WAITING;
        if begins {
            self.stage.store(MOVING, Ordering::Relaxed);
        }
        begins
    }

    /// Gives up a move that has begun. The caller holds the lock.
    pub fn give_up(&self) {
        self.stage.store(WAITING, Ordering::Relaxed);
    }

    /// Ends the move. The caller holds the lock.
    pub fn arrive(&self) {
        self.stage.store(MOVED, Ordering::Release);
    }
}

/// Calls a method of what serves the queue `$slf` if the queue has moved; `None` if it has not.
macro_rules! moved {
    ($slf:expr, $store:expr, $method:literal $(, $argument:expr)*) => {{
        let py = $slf.py();
        match $store.moved.get(py) {
            Some(standard) => {
                Some(standard.call_method1(pyo3::intern!(py, $method), ($slf, $($argument,)*)))
            }
            None => None,
        }
    }};
}
pub(crate) use moved;
