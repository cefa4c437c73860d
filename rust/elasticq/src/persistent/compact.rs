//! Giving up files that nobody needs.
//!
//! A segment is needed as long as the cursor is in it or before it, or an item aside has its record there.
//! Those before the oldest that is needed go, once everything from there on is durable. (They need not have
//! been on the disk themselves: if consumers keep up, most of what is put in never is.) An item aside may
//! keep an old segment for long; if little in the files is needed, such items are written again at the end.
//! They keep their numbers, and with them their places in line.

use super::core::Core;
use super::format::Kind;
use super::records::{self, Drafts, Meta};
use super::spares::Who;
use super::taking::Taking;
use crate::error::{BufferError, BufferResult};
use std::io::ErrorKind;
use std::time::Instant;

const FEW: u64 = 16;

/// Whether the disk, or `max_bytes`, has no room for something.
fn lacks_room(error: &BufferError) -> bool {
    match error {
        BufferError::Full => true,
        BufferError::Io(refused) => matches!(refused.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded),
        _ => false,
    }
}

impl Core {
    /// Gives up what nobody needs, and prepares files for what comes.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with.
    pub fn tidy(&self) -> BufferResult<()> {
        let (gone, prepared) = {
            let _turn = self.giving_up.lock();
            // First of all, since a file that goes may be used again.
            let gone = self.give_up_in_turn();
            self.log.let_go_of_sealed();
            (gone, self.log.prepare())
        };
        let superfluous = {
            let tail = self.log.tail();
            self.log.records().saturating_sub(self.inside(&tail) as u64)
        };
        if prepared.is_err() || self.log.is_cramped() {
            // There is no room for more. A file that is drained is the room that there is.
            self.compact_to(0)?;
        } else if superfluous > self.config.max_log_entries as u64 {
            self.compact()?;
        }
        gone.and(prepared)
    }

    /// Makes the files as small as they can be.
    ///
    /// # Errors
    /// As [`tidy`](Self::tidy).
    pub fn compact(&self) -> BufferResult<()> {
        self.compact_to(FEW)
    }

    /// The same; so many records that nobody needs are not worth a new segment.
    fn compact_to(&self, few: u64) -> BufferResult<()> {
        self.check_process()?;
        {
            let mut taking = self.taking();
            self.skip(&mut taking)?;
            {
                let mut tail = self.log.tail();
                self.check_open()?;
                // A segment of its own for what is still needed, if most of this one is not. The older ones
                // go as soon as they are drained, and a new one does not help with that.
                let inside = self.inside(&tail) as u64;
                let needless = tail.records().saturating_sub(inside);
                if needless > inside.saturating_mul(2).saturating_add(few) && tail.is_used() {
                    // On a full disk the segments before this one can still go.
                    let _ = self.begin(&mut tail, &mut taking, 0, Who::Consumer);
                }
            }
            self.skip(&mut taking)?;
            self.write_again(&mut taking)?;
        }
        self.give_up()
    }

    /// Writes the items aside again whose records stand before the segments that are needed anyway.
    fn write_again(&self, taking: &mut Taking) -> BufferResult<()> {
        let needed = taking.state.cursor.place.segment;
        for (number, place) in taking.state.aside_before(needed) {
            let payload = self.read(place, number)?;
            let Some((meta, data)) = records::item(&payload) else { continue };
            let meta = Meta { number, ..meta };
            let mut draft = Drafts::default();
            let Some(()) = draft.item(Kind::Moved, &meta, data) else { continue };
            let appended = self.append_for_consumer(taking, &mut draft)?;
            taking.state.moved(number, appended.place);
        }
        if self.is_staged() {
            self.commit.write_out(&self.log)?; // nobody may read them before they are written
        }
        Ok(())
    }

    /// Does some work. If there is no room on the disk for its record, this gives up the files that nobody
    /// needs any more, and tries again: the queue's thread may not have got that far.
    pub fn in_room<R>(&self, mut work: impl FnMut() -> BufferResult<R>) -> BufferResult<R> {
        match work() {
            Err(error) if lacks_room(&error) => {
                let _ = self.give_up(); // if this fails, the next attempt says so
                work()
            }
            done => done,
        }
    }

    /// Gives up the segments before the oldest that is needed. If another thread is doing so, this waits for
    /// it: the room is there only at its end.
    fn give_up(&self) -> BufferResult<()> {
        let _turn = self.giving_up.lock();
        self.give_up_in_turn()
    }

    fn give_up_in_turn(&self) -> BufferResult<()> {
        let oldest = {
            let mut taking = self.taking();
            self.skip(&mut taking)?;
            let oldest = taking.state.oldest_segment();
            if !self.log.has_before(oldest) {
                return Ok(());
            }
            self.write_noted(&mut taking)?;
            oldest
        };
        let failed = |error| self.commit.fail(&self.log, error);
        self.commit.pass_over(&self.log, oldest, &|| self.log.begin_with(oldest, &failed))?;
        self.log.drop_before(oldest, &failed)?;
        self.wake(); // producers may wait for room on the disk
        Ok(())
    }

    /// Looks at the items whose time has come; returns when to look again.
    pub fn see_what_is_due(&self, due: Option<Instant>) -> Option<Instant> {
        let due = due?;
        if due > Instant::now() {
            return Some(due);
        }
        let next = {
            let mut taking = self.taking();
            // An error is found again by whoever takes the item.
            let _ = self.expire(&mut taking);
            taking.leases.next_due()
        };
        self.wake();
        next
    }
}
