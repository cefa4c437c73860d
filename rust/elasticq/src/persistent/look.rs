//! Looking at a queue without taking anything.

use super::core::Core;
use super::files::now;
use super::records::{self, Place, Status};
use super::segment::{Reader, Segment};
use super::stats::PersistentStats;
use super::taking::Item;
use crate::error::{BufferError, BufferResult};
use crate::stats::QueueStats;
use std::fmt::Display;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

impl Core {
    /// A look at all items that can be taken, as they stand now. Nobody has to wait meanwhile; an item that
    /// is taken meanwhile may still be shown.
    ///
    /// # Errors
    /// As [`check_process`](Self::check_process); `Io`.
    pub fn look(&self) -> BufferResult<Look> {
        self.check_process()?;
        let mut taking = self.taking();
        self.expire(&mut taking)?;
        let state = &taking.state;
        let aside = state.ready_items().filter(|(number, _)| self.is_written(*number));
        let aside: Vec<_> = aside.map(|(number, aside)| (number, aside.place)).collect();
        let (cursor, left) = (state.cursor, state.in_line(self.log.visible()));
        let segments = self.log.segments_from(state.oldest_segment(), u64::MAX);
        let at_cursor = segments.iter().find(|segment| segment.number() >= cursor.place.segment);
        let reader = at_cursor.map(|segment| Reader::new(Arc::clone(segment), cursor));
        Ok(Look { segments, reader, left, next: None, aside: aside.into_iter().peekable() })
    }

    /// Shows all items that can be taken, in order, until `visit` breaks.
    ///
    /// # Errors
    /// `Corrupted`, `Io`.
    pub fn visit(&self, visit: &mut dyn FnMut(&Item) -> BufferResult<ControlFlow<()>>) -> BufferResult<()> {
        let mut look = self.look()?;
        while let Some(item) = look.next()? {
            if visit(&item)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// How long ago the oldest item that can be taken was put in, by the clock of the day. Its record is
    /// read, and no other item.
    ///
    /// # Errors
    /// As [`look`](Self::look); `Corrupted`.
    pub fn oldest_age(&self) -> BufferResult<Option<Duration>> {
        let Some(oldest) = self.look()?.next()? else { return Ok(None) };
        let (meta, _) = records::item(&oldest.payload).ok_or_else(|| self.unreadable(&oldest, &"no item"))?;
        Ok(Some(Duration::from_millis(now().saturating_sub(meta.at))))
    }

    /// The dead items, oldest first: each with how often it was delivered, and why it is dead.
    ///
    /// # Errors
    /// `Corrupted`, `Io`.
    pub fn dead_letters(&self) -> BufferResult<Vec<(Item, u32, String)>> {
        self.check_process()?;
        let taking = self.taking();
        let dead = taking.state.aside().iter().filter_map(|(&number, aside)| match &aside.status {
            Status::Dead { reason, .. } => Some((number, aside.place, aside.deliveries, reason.clone())),
            _ => None,
        });
        dead.map(|(number, place, deliveries, reason)| {
            let payload = self.read(place, number)?;
            Ok((Item::seen(number, place, payload), deliveries, reason))
        })
        .collect()
    }

    pub fn stats(&self) -> PersistentStats {
        if self.check_process().is_err() {
            return PersistentStats::default(); // the locks may be held by threads that are not here
        }
        let taking = self.taking();
        let tail = self.log.tail();
        let count =
            |wanted: fn(&Status) -> bool| taking.state.aside().values().filter(|aside| wanted(&aside.status)).count();
        let queue = self.tally.add_to(QueueStats {
            messages_enqueued: tail.puts.enqueued,
            messages_dequeued: taking.state.dequeued.saturating_add(taking.state.dropped),
            current_size: self.inside(&tail),
            current_capacity: self.max_items(),
            ..QueueStats::default()
        });
        drop(tail);
        let syncs = self.commit.syncs();
        PersistentStats {
            queue: QueueStats {
                messages_dequeued: queue.messages_dequeued.saturating_sub(taking.state.dropped),
                messages_dropped: queue.messages_dropped.saturating_add(taking.state.dropped),
                ..queue
            },
            ready: self.len(),
            leased: count(|status| *status == Status::Leased),
            delayed: count(|status| matches!(status, Status::Delayed { .. })),
            dead: taking.state.dead(),
            log_entries: self.log.records(),
            segments: self.log.segment_count(),
            bytes_on_disk: self.log.bytes(),
            recovered_entries: self.report.records,
            recovered_clean: self.report.closed,
            torn_bytes: self.report.torn_bytes,
            torn_files: self.report.torn_files,
            syncs: syncs.count,
            sync_time: syncs.time,
            longest_sync: syncs.longest,
        }
    }

    /// Why the codec could not read an item.
    pub fn unreadable(&self, item: &Item, why: &dyn Display) -> BufferError {
        let path = self.log.path_of(item.place.segment);
        let text = format!("{}, offset {}: the codec can't read the item: {why}", path.display(), item.place.offset);
        BufferError::Corrupted(text)
    }
}

/// A look at a queue that goes on from item to item.
#[derive(Debug)]
pub struct Look {
    /// These are kept open, so their files stay as they are even if they are given up.
    segments: Vec<Arc<Segment>>,
    /// Goes along the line.
    reader: Option<Reader>,
    /// How many items are left in line, and the next of them once it was read.
    left: u64,
    next: Option<Item>,
    /// The items that don't stand in line.
    aside: Peekable<vec::IntoIter<(u64, Place)>>,
}

impl Look {
    /// The next item.
    ///
    /// # Errors
    /// `Corrupted`, `Io`.
    pub fn next(&mut self) -> BufferResult<Option<Item>> {
        if self.next.is_none() && self.left > 0 {
            self.next = self.read()?;
            self.left = if self.next.is_some() { self.left - 1 } else { 0 };
        }
        let before = self.next.as_ref().map_or(u64::MAX, |item| item.number);
        while let Some((number, place)) = self.aside.next_if(|(number, _)| *number < before) {
            let segment = self.segments.iter().find(|segment| segment.number() == place.segment);
            let Some(segment) = segment else { continue };
            let (_, payload) = segment.record_at(place.offset)?;
            return Ok(Some(Item::seen(number, place, payload)));
        }
        Ok(self.next.take())
    }

    fn read(&mut self) -> BufferResult<Option<Item>> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        loop {
            let Some((head, place)) = reader.next()? else {
                let here = reader.segment.number();
                match self.segments.iter().find(|segment| segment.number() > here) {
                    Some(segment) if reader.segment.ends_at(reader.cursor.place.offset) => {
                        reader.enter(Arc::clone(segment));
                    }
                    _ => return Ok(None),
                }
                continue;
            };
            let payload = reader.payload(&head, place);
            if records::is_in_line(head.kind, payload) {
                return Ok(Some(Item::seen(head.number, place, payload.to_vec())));
            }
        }
    }
}
