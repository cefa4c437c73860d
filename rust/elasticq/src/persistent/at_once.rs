//! Calls that take only a moment: they wait neither for a lock nor for the disk. So a caller may make them while it
//! holds something that others wait for. If a call can't be made like this, nothing has happened, and the caller
//! makes the usual one.

use super::core::Core;
use super::files;
use super::format::Kind;
use super::records::{Drafts, Meta};
use super::taking::Popped;
use crate::error::BufferResult;

impl Core {
    /// Adds an item. `None`: it may take longer.
    pub fn put_at_once(&self, item: &[u8]) -> Option<BufferResult<()>> {
        if self.is_staged() || self.check_process().is_err() {
            return None;
        }
        let meta = Meta { at: files::now(), delay: 0, number: 0, id: &[], headers: &[] };
        let mut drafts = Drafts::default();
        drafts.item(Kind::Item, &meta, item)?;
        let is_late = {
            let mut tail = self.log.try_tail()?;
            let is_open = !self.is_closed() && self.check_open().is_ok();
            if !is_open || self.inside(&tail) >= self.max_items() || !tail.has_room(drafts.size()) {
                return None;
            }
            match self.add(&mut tail, None, &mut drafts, &meta) {
                Ok((_, is_late)) => is_late,
                Err(error) => return Some(Err(error)),
            }
        };
        if is_late {
            self.worker.tidy();
        }
        self.wake();
        Some(Ok(()))
    }

    /// Takes the next item, which is outstanding then. `None`: it may take longer, also since there is none.
    pub fn pop_at_once(&self) -> Option<BufferResult<Popped>> {
        if self.is_staged() || self.check_process().is_err() || self.len() == 0 {
            return None;
        }
        let mut taking = self.try_taking()?;
        if taking.leases.next_due().is_some() || taking.state.ready() > 0 {
            return None;
        }
        // What is in the last segment is in memory.
        if taking.reader.segment.number() != taking.noted.segment.number() {
            return None;
        }
        let popped = self.pop_outstanding_in(&mut taking, 1);
        drop(taking);
        self.wake();
        Some(popped)
    }
}
