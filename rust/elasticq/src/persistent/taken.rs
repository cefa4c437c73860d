//! Items that have left the queue, and whose taker has not understood them yet: [`PutBack`], [`Taken`]. And
//! items that are only looked at, as bytes: [`Looking`].

use super::core::Core;
use super::look::Look;
use super::taking::{Item, Popped};
use crate::error::{BufferError, BufferResult};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Puts items back that were taken and not handed out, also if the codec panics.
pub struct PutBack<C: Deref<Target = Core>, I: AsRef<[Item]>> {
    pub core: C,
    pub items: I,
    /// How many of them, the first ones, were handed out.
    pub kept: usize,
}

impl<C: Deref<Target = Core>, I: AsRef<[Item]>> Drop for PutBack<C, I> {
    fn drop(&mut self) {
        for item in self.items.as_ref().iter().skip(self.kept) {
            // If the disk refuses it, it refuses everything from now on, and opening the queue again shows
            // it.
            let _ = self.core.put_back(item);
        }
    }
}

/// Items that were taken, as bytes. Those that are not [kept](Self::keep) go back to their places when this
/// is dropped, or when the queue ends.
#[must_use = "items that are not kept go back"]
pub struct Taken {
    core: Arc<Core>,
    items: Arc<Vec<Item>>,
    ticket: u64,
}

impl Taken {
    pub(super) fn new(core: &Arc<Core>, Popped { items, ticket, .. }: Popped) -> Self {
        Self { core: Arc::clone(core), items, ticket }
    }

    /// The bytes of each item, in their order.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.items.iter().map(Item::data)
    }

    /// The items.
    pub(super) fn all(&self) -> &[Item] {
        &self.items
    }

    /// Says that the first so many items have come to their taker; the others go back.
    ///
    /// # Errors
    /// `Closed`: the queue has ended, and all of them went back before.
    pub fn keep(self, items: usize) -> BufferResult<()> {
        if items > 0 && !self.redeem() {
            return Err(BufferError::Closed);
        }
        if items > 0 {
            drop(PutBack { core: &*self.core, items: self.items.as_slice(), kept: items });
        }
        Ok(())
    }

    /// The error for the item at this index, if its bytes can't be understood.
    #[must_use]
    pub fn unreadable(&self, index: usize, why: &dyn fmt::Display) -> BufferError {
        match self.items.get(index) {
            Some(item) => self.core.unreadable(item, why),
            None => BufferError::Other(why.to_string()),
        }
    }

    /// Whether the items were outstanding until now. They are not any more.
    fn redeem(&self) -> bool {
        let mut outstanding = self.core.outstanding.lock();
        let place = outstanding.iter().rposition(|(ticket, _)| *ticket == self.ticket);
        let found = place.map(|place| outstanding.swap_remove(place));
        drop(outstanding);
        found.is_some()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.redeem() {
            drop(PutBack { core: &*self.core, items: self.items.as_slice(), kept: 0 });
        }
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").field("items", &self.items.len()).finish_non_exhaustive()
    }
}

/// A look at all items that can be taken, as they were at its begin: none is taken.
#[derive(Debug)]
pub struct Looking {
    core: Arc<Core>,
    look: Look,
    shown: Option<Item>,
}

impl Looking {
    pub(super) fn new(core: &Arc<Core>) -> BufferResult<Self> {
        Ok(Self { core: Arc::clone(core), look: core.look()?, shown: None })
    }

    /// The bytes of the next item.
    ///
    /// # Errors
    /// `Corrupted`, `Io`; `Closed` after the queue was finished.
    pub fn advance(&mut self) -> BufferResult<Option<&[u8]>> {
        self.core.check_process()?;
        self.shown = self.look.next()?;
        Ok(self.shown.as_ref().map(Item::data))
    }

    /// The error for the item that was shown last, if its bytes can't be understood.
    #[must_use]
    pub fn unreadable(&self, why: &dyn fmt::Display) -> BufferError {
        match &self.shown {
            Some(item) => self.core.unreadable(item, why),
            None => BufferError::Other(why.to_string()),
        }
    }
}
