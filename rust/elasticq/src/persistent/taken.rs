//! Items that have left the queue, and whose taker has not understood them yet: [`PutBack`], [`Taken`]. And
//! items that are only looked at, as bytes: [`Looking`].

use super::core::Core;
use super::look::Look;
use super::taking::Item;
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
            // If the disk refuses it, it refuses everything from now on, and opening the queue again shows it.
            let _ = self.core.put_back(item);
        }
    }
}

/// Items that were taken, as bytes. Those that are not [kept](Self::keep) go back to their places when this is
/// dropped.
#[must_use = "items that are not kept go back"]
pub struct Taken(PutBack<Arc<Core>, Vec<Item>>);

impl Taken {
    pub(super) const fn new(core: Arc<Core>, items: Vec<Item>) -> Self {
        Self(PutBack { core, items, kept: 0 })
    }

    /// The bytes of each item, in their order.
    pub fn items(&self) -> impl Iterator<Item = &[u8]> {
        self.0.items.iter().map(Item::data)
    }

    /// Says that the first so many items have come to their taker.
    pub const fn keep(&mut self, items: usize) {
        self.0.kept = items;
    }

    /// The error for the first item that is not kept, if its bytes can't be understood.
    #[must_use]
    pub fn unreadable(&self, why: &dyn fmt::Display) -> BufferError {
        match self.0.items.get(self.0.kept) {
            Some(item) => self.0.core.unreadable(item, why),
            None => BufferError::Other(why.to_string()),
        }
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Taken");
        shown.field("items", &self.0.items.len()).field("kept", &self.0.kept).finish_non_exhaustive()
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
