//! Pops that stand in the cell of the last segment (`cell`), and in no record yet.
//!
//! Invariant: a record of these pops is written before the record of another change (which may speak of an
//! item that was popped), before a sync that is to cover the pops, and before a segment goes that they have
//! drained. A new segment begins with the whole state, so no such record comes before it.
//!
//! The word stays in the cell after that. It does not count any more, and if a crash takes the record, it
//! does again.
//!
//! Only where calls don't wait for a sync. Where they do, the cell's page would be one more for the disk to
//! write.

use super::cell;
use super::core::Core;
use super::log::{Tail, alone};
use super::records::{Change, Cursor, Drafts};
use super::segment::Segment;
use super::spares::Who;
use super::state::Takes;
use super::taking::Taking;
use crate::error::BufferResult;
use std::sync::Arc;

#[derive(Debug)]
pub struct Noted {
    /// The last segment, whose cell it is.
    pub segment: Arc<Segment>,
    /// The link of the last record that tells of items that were taken.
    pub base: u32,
    /// So many items were popped since then.
    pub items: u64,
}

impl Noted {
    /// The record that says the same.
    fn draft(&self, state: &Takes) -> BufferResult<Option<Drafts>> {
        let change = Change::Popped { items: self.items, cursor: state.cursor };
        (self.items > 0).then(|| alone(&change)).transpose()
    }
}

impl Core {
    /// Notes that so many items in line were popped, and follows it.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with: nothing has happened then.
    #[inline(always)]
    pub fn note(&self, taking: &mut Taking, items: u64, cursor: Cursor) -> BufferResult<()> {
        self.check_open()?;
        let noted = &mut taking.noted;
        noted.segment.note(cell::word(noted.segment.header.salt, noted.base, cursor.number))?;
        noted.items += items;
        taking.state.popped(items, cursor);
        self.note_seen(&taking.state);
        Ok(())
    }

    /// Writes a record of what was noted.
    ///
    /// # Errors
    /// As [`note`](Self::note).
    pub fn write_noted(&self, taking: &mut Taking) -> BufferResult<()> {
        let Some(mut noted) = taking.noted.draft(&taking.state)? else { return Ok(()) };
        let mut tail = self.log.tail();
        self.check_open()?;
        if !tail.has_last_room(noted.size()) {
            return self.begin(&mut tail, taking, 0, Who::Consumer);
        }
        self.append_noted(&mut tail, taking, &mut noted)
    }

    fn append_noted(&self, tail: &mut Tail, taking: &mut Taking, noted: &mut Drafts) -> BufferResult<()> {
        self.log.append(tail, noted)?;
        (taking.noted.items, taking.noted.base) = (0, tail.end().link);
        Ok(())
    }

    /// Lets the records say as much as the state, and leaves room for so many bytes behind them. For a
    /// consumer, who may use the last file that there is.
    ///
    /// # Errors
    /// `Io`: nothing has happened then.
    #[inline(always)]
    pub fn make_room(&self, tail: &mut Tail, taking: &mut Taking, bytes: u64) -> BufferResult<()> {
        let mut noted = taking.noted.draft(&taking.state)?;
        if let Some(noted) = noted.as_mut().filter(|noted| tail.has_room(bytes + noted.size())) {
            self.append_noted(tail, taking, noted)?;
        }
        // A mark in front of that record may have taken the room.
        if taking.noted.items > 0 || !tail.has_room(bytes) {
            self.begin(tail, taking, bytes, Who::Consumer)?;
        }
        Ok(())
    }

    /// Begins a segment. It begins with the state, so with what was noted, too.
    ///
    /// # Errors
    /// As [`Log::begin_segment`](super::log::Log::begin_segment).
    pub fn begin(&self, tail: &mut Tail, taking: &mut Taking, bytes: u64, who: Who) -> BufferResult<()> {
        self.log.begin_segment(tail, &taking.state, bytes, who)?;
        taking.noted = Noted { segment: tail.segment(), base: tail.end().link, items: 0 };
        Ok(())
    }
}
