//! Calls that take only a moment: they wait neither for a lock nor for the disk. So a caller may make them
//! while it holds something that others wait for. If a call can't be made like this, nothing has happened,
//! and the caller makes the usual one.

use super::core::Core;
use super::files;
use super::format::{Head, Kind};
use super::records::{self, Cursor, Drafts, Meta, Place};
use super::taking::{Popped, Taking};
use crate::error::BufferResult;
use std::mem::replace;

impl Core {
    /// Adds an item, whose bytes are in two pieces. `None`: it may take longer.
    pub fn put_at_once(&self, pieces: [&[u8]; 2]) -> Option<BufferResult<()>> {
        if self.is_staged() || self.check_process().is_err() {
            return None;
        }
        let meta = Meta { at: files::now(), delay: 0, number: 0, id: &[], headers: &[] };
        let mut drafts = Drafts::default();
        drafts.plain_item(Kind::Item, meta.at, pieces)?;
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

    /// Takes the next item. `read` makes something of its bytes under the consumers' lock, so it must call
    /// nothing that could come back to this queue; if it can't, the item is outstanding. `None`: it may take
    /// longer, also since there is none.
    pub fn pop_at_once<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<BufferResult<AtOnce<R, Popped>>> {
        self.pop_with(|taking| {
            let (head, place, end) = self.next_in_memory(taking)?;
            let (_, data) = records::item(taking.reader.payload(&head, place))?;
            let Some(made) = read(data) else {
                return Some(self.pop_outstanding_in(taking, 1).map(AtOnce::Outstanding));
            };
            Some(self.pass(taking, end).map(|()| AtOnce::Made(made)))
        })
    }

    /// Takes the next item, of which `copy` makes another under the consumers' lock. `None`: it may take
    /// longer, also since there is none.
    #[inline(always)]
    pub fn pop_copied<T>(&self, copy: impl FnOnce(&[u8]) -> T) -> Option<BufferResult<T>> {
        self.pop_with(|taking| {
            let (head, place, end) = self.next_in_memory(taking)?;
            let (_, data) = records::item(taking.reader.payload(&head, place))?;
            let made = copy(data);
            Some(self.pass(taking, end).map(|()| made))
        })
    }

    /// Takes the item that ends here.
    #[inline(always)]
    fn pass(&self, taking: &mut Taking, end: Cursor) -> BufferResult<()> {
        taking.reader.cursor = end;
        self.take_in_line(taking, 1, end).map(drop)
    }

    #[inline(always)]
    fn pop_with<R>(&self, pop: impl FnOnce(&mut Taking) -> Option<R>) -> Option<R> {
        if self.is_staged() || self.check_process().is_err() || self.len() == 0 {
            return None;
        }
        let popped = pop(&mut *self.try_taking()?)?;
        self.wake();
        Some(popped)
    }

    /// Looks at the next item, if that is one in line and in memory. Returns where it stands and ends. The
    /// reader stays before it, and has it in its window: what is made of it then may panic.
    #[inline(always)]
    fn next_in_memory(&self, taking: &mut Taking) -> Option<(Head, Place, Cursor)> {
        let is_usual = taking.leases.next_due().is_none() && taking.state.ready() == 0 && taking.next.is_none();
        if !is_usual || taking.state.in_line(self.log.visible()) == 0 {
            return None;
        }
        let reader = &mut taking.reader;
        // What is in the last segment is in memory.
        let is_last = reader.segment.number() == taking.noted.segment.number();
        while is_last || reader.has_next() {
            let before = reader.cursor;
            // What can't be read is found again by the call that may take longer.
            let (head, place) = reader.next().ok()??;
            if records::is_in_line(head.kind, reader.payload(&head, place)) {
                let end = replace(&mut reader.cursor, before);
                return Some((head, place, end));
            }
        }
        None
    }
}

/// What became of an item that was taken.
#[derive(Debug)]
pub enum AtOnce<R, O> {
    /// This was made of it.
    Made(R),
    /// Its taker has to understand it yet.
    Outstanding(O),
}
