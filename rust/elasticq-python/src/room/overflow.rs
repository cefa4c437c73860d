//! How many items a `Queue` takes, and what happens to those that there is no room for. These are only the
//! settings; `store::no_room` goes by them. The fast path does not look at them.

use crate::errors;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, Ordering};

/// What happens to an item that there is no room for.
#[derive(Clone, Copy)]
pub enum Overflow {
    /// Its producer waits.
    Block,
    /// It is refused at once.
    Error,
    /// The oldest items are evicted.
    DropOldest,
    /// The item itself is dropped.
    DropNewest,
}

const POLICIES: [(&str, Overflow); 4] = [
    ("block", Overflow::Block),
    ("error", Overflow::Error),
    ("drop_oldest", Overflow::DropOldest),
    ("drop_newest", Overflow::DropNewest),
];

impl Overflow {
    pub fn new(object: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(object) = object else { return Ok(Self::Block) };
        let name = object.extract::<String>().unwrap_or_default();
        let policy = POLICIES.iter().find(|(known, _)| *known == name);
        policy.map(|(_, policy)| *policy).ok_or_else(|| {
            let known = POLICIES.map(|(name, _)| format!("'{name}'")).join(", ");
            let shown = object.repr().map_or_else(|_| "?".into(), |shown| shown.to_string());
            errors::misconfigured(object.py(), format!("overflow = {shown}: must be one of {known}"))
        })
    }

    pub const fn name(self) -> &'static str {
        POLICIES[self as usize].0
    }

    /// The policy that `self as u8` stands for.
    fn of_number(number: u8) -> Self {
        POLICIES[usize::from(number)].1
    }

    pub const fn drops_newest(self) -> bool {
        matches!(self, Self::DropNewest)
    }

    pub const fn drops_oldest(self) -> bool {
        matches!(self, Self::DropOldest)
    }
}

/// The limits of a store. Those of a new store are those of a queue without a limit.
#[derive(Default)]
pub struct Limits {
    maxsize: AtomicIsize,
    /// Whether a put may find no room: either there is a limit, or the queue has moved, and only `Standard`
    /// knows whether there is one.
    may_refuse: AtomicBool,
    /// An `Overflow`.
    overflow: AtomicU8,
}

impl Limits {
    /// The `maxsize` that the queue was given; zero or below: no limit.
    pub fn maxsize(&self) -> isize {
        self.maxsize.load(Ordering::Relaxed)
    }

    pub fn set_maxsize(&self, maxsize: isize) {
        self.maxsize.store(maxsize, Ordering::Relaxed);
    }

    #[inline]
    pub fn may_refuse(&self) -> bool {
        self.may_refuse.load(Ordering::Relaxed)
    }

    pub fn set_may_refuse(&self, may_refuse: bool) {
        self.may_refuse.store(may_refuse, Ordering::Relaxed);
    }

    pub fn overflow(&self) -> Overflow {
        Overflow::of_number(self.overflow.load(Ordering::Relaxed))
    }

    pub fn set_overflow(&self, overflow: Overflow) {
        self.overflow.store(overflow as u8, Ordering::Relaxed);
    }
}
