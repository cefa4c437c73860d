//! Taking: looking for the next item, writing down that it is gone, following that, and only then handing the
//! item out. If it can't be written down, the item is still the next one.
//!
//! The next item is that with the lowest number: the next one in line, or one that stands aside and can be
//! taken. The reader goes along the line. It is ahead of the cursor of the state by the items that are being
//! taken, and by one that somebody has looked at (`next`).

use super::core::Core;
use super::format::Kind;
use super::leases::Leases;
use super::log::{Appended, too_long};
use super::noted::Noted;
use super::ready::Ahead;
use super::records::{self, Change, Cursor, Drafts, How, Lease, Meta, Place};
use super::segment::Reader;
use super::state::Takes;
use crate::error::{BufferError, BufferResult};
use std::sync::Arc;
use std::time::Duration;

/// What consumers change.
#[derive(Debug)]
pub struct Taking {
    pub state: Takes,
    pub reader: Reader,
    /// The next item in line, once somebody has looked for it.
    pub next: Option<Item>,
    pub leases: Leases,
    pub noted: Noted,
    pub ahead: Ahead,
    /// How many tickets were given out.
    pub tickets: u64,
}

/// Items that were taken and have not come to their taker.
#[derive(Debug)]
pub struct Popped {
    pub items: Arc<Vec<Item>>,
    /// No other ones have it.
    pub ticket: u64,
    /// The record to wait for.
    pub number: u64,
}

/// An item that was read.
#[derive(Debug)]
pub struct Item {
    pub number: u64,
    pub place: Place,
    pub payload: Vec<u8>,
    /// Where the item's own bytes begin in it.
    pub data_at: usize,
    /// How often it was delivered, this time included.
    pub deliveries: u32,
    /// Where reading goes on behind it; `None` if it did not stand in line.
    pub end: Option<Cursor>,
}

impl Core {
    /// Writes down what has happened, and follows it. Returns the record's number.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with: nothing has happened then.
    pub fn record(&self, taking: &mut Taking, changes: &[Change]) -> BufferResult<u64> {
        let mut drafts = Drafts::default();
        changes.iter().try_for_each(|change| drafts.change(change)).ok_or_else(too_long)?;
        let first = self.append_for_consumer(taking, &mut drafts)?.number;
        changes.iter().for_each(|change| taking.state.apply(change));
        self.note_seen(&taking.state);
        Ok(first + changes.len() as u64 - 1)
    }

    /// Takes one item for good: what [`pop`](Self::pop) does, for the usual case without a list of anything.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    #[inline(always)]
    pub fn pop_one(&self) -> BufferResult<Item> {
        let (item, number) = self.pop_now()?;
        self.settle(number)?;
        self.wake();
        Ok(item)
    }

    /// The same without the wait: returns the number of the record to wait for, too.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    #[inline(always)]
    pub fn pop_now(&self) -> BufferResult<(Item, u64)> {
        self.check_process()?;
        self.in_room(|| {
            let mut taking = self.taking();
            self.commit.check()?;
            self.expire(&mut taking)?;
            let item = self.next(&mut taking, 0, &[])?.ok_or_else(|| self.nothing())?;
            let number = match item.end {
                Some(cursor) => self.take_in_line(&mut taking, 1, cursor)?,
                None => self.take(&mut taking, &[Change::Gone { numbers: vec![item.number], how: How::Popped }])?,
            };
            Ok((item, number))
        })
    }

    fn nothing(&self) -> BufferError {
        if self.is_closed() { BufferError::Closed } else { BufferError::Empty }
    }

    /// Takes up to `most` items for good.
    ///
    /// # Errors
    /// `Empty`, `Closed`, `Corrupted`, `Io`, or what a sync has failed with.
    pub fn pop(&self, most: usize) -> BufferResult<Vec<Item>> {
        let (items, number) = self.pop_many_now(most)?;
        self.settle(number)?;
        self.wake();
        Ok(items)
    }

    /// The same without the wait: returns the number of the record to wait for, too.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    pub fn pop_many_now(&self, most: usize) -> BufferResult<(Vec<Item>, u64)> {
        self.check_process()?;
        self.in_room(|| self.pop_in(&mut self.taking(), most))
    }

    /// The same; the items are outstanding under a ticket until their taker says that it has them.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    pub fn pop_outstanding(&self, most: usize) -> BufferResult<Popped> {
        self.check_process()?;
        self.in_room(|| self.pop_outstanding_in(&mut self.taking(), most))
    }

    /// The same under the consumers' lock.
    pub fn pop_outstanding_in(&self, taking: &mut Taking, most: usize) -> BufferResult<Popped> {
        let (items, number) = self.pop_in(taking, most)?;
        let items = Arc::new(items);
        taking.tickets += 1;
        let ticket = taking.tickets;
        if !items.is_empty() {
            self.outstanding.lock().push((ticket, Arc::clone(&items)));
        }
        Ok(Popped { items, ticket, number })
    }

    fn pop_in(&self, taking: &mut Taking, most: usize) -> BufferResult<(Vec<Item>, u64)> {
        let items = self.choose(taking, most)?;
        if items.is_empty() {
            return Ok((items, 0)); // none was asked for, so there is nothing to write
        }
        let aside: Vec<u64> = items.iter().filter(|item| item.end.is_none()).map(|item| item.number).collect();
        let has_aside = !aside.is_empty();
        let gone = Change::Gone { numbers: aside, how: How::Popped };
        let number = match (passed(&items), has_aside) {
            ((in_line, Some(cursor)), false) => self.take_in_line(taking, in_line, cursor)?,
            ((in_line, Some(cursor)), true) => self.take(taking, &[gone, Change::Popped { items: in_line, cursor }])?,
            ((_, None), _) => self.take(taking, &[gone])?,
        };
        Ok((items, number))
    }

    /// Notes that so many items in line were taken, or records it where calls wait for that. Returns the
    /// number of the record to wait for.
    #[inline(always)]
    pub fn take_in_line(&self, taking: &mut Taking, items: u64, cursor: Cursor) -> BufferResult<u64> {
        if self.is_staged() {
            return self.take(taking, &[Change::Popped { items, cursor }]);
        }
        self.write_down(taking, |taking| self.note(taking, items, cursor).map(|()| 0))
    }

    /// Records that items were taken. Returns the record's number.
    fn take(&self, taking: &mut Taking, changes: &[Change]) -> BufferResult<u64> {
        self.write_down(taking, |taking| self.record(taking, changes))
    }

    /// Writes down that items were taken; puts the reader back if that fails.
    #[inline(always)]
    fn write_down<R>(
        &self,
        taking: &mut Taking,
        write: impl FnOnce(&mut Taking) -> BufferResult<R>,
    ) -> BufferResult<R> {
        let segment = taking.state.cursor.place.segment;
        let written = write(taking);
        if written.is_err() {
            taking.next = None;
            let cursor = taking.state.cursor;
            let segment = self.log.segment(cursor.place.segment);
            taking.reader = Reader::new(segment.unwrap_or_else(|| Arc::clone(&taking.reader.segment)), cursor);
        } else if taking.state.cursor.place.segment > segment {
            self.worker.tidy();
        }
        written
    }

    /// Takes up to `most` items on lease.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    pub fn lease(&self, most: usize, ttl: Option<Duration>) -> BufferResult<Vec<(Item, u64)>> {
        let (items, _) = self.lease_now(most, ttl)?;
        if self.is_staged() {
            // A message that kills whoever works on it must be known to have been delivered.
            self.commit.write_out(&self.log)?;
        }
        self.wake();
        Ok(items)
    }

    /// The same, but what is staged is not written: returns the number of the record to wait for, too.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    pub fn lease_now(&self, most: usize, ttl: Option<Duration>) -> BufferResult<(Vec<(Item, u64)>, u64)> {
        self.check_process()?;
        self.in_room(|| {
            let mut taking = self.taking();
            let items = self.choose(&mut taking, most)?;
            if items.is_empty() {
                return Ok((Vec::new(), 0)); // none was asked for, so there is nothing to write
            }
            let (in_line, cursor) = passed(&items);
            let cursor = cursor.unwrap_or(taking.state.cursor);
            let leases = items
                .iter()
                .map(|item| Lease { number: item.number, place: item.place, deliveries: item.deliveries })
                .collect();
            let number = self.take(&mut taking, &[Change::Leased { leases, in_line, cursor }])?;
            let items = items.into_iter().map(|item| (taking.leases.lease(item.number, ttl), item));
            let items = items.map(|(token, item)| (item, token)).collect();
            let due = taking.leases.next_due();
            drop(taking);
            if ttl.is_some() {
                self.worker.wake_at(due);
            }
            Ok((items, number))
        })
    }

    /// Reads the next items, up to so many, and takes none.
    fn choose(&self, taking: &mut Taking, wanted: usize) -> BufferResult<Vec<Item>> {
        self.commit.check()?;
        self.expire(taking)?;
        let mut items = Vec::new();
        let mut in_line = 0;
        let mut aside = Vec::new();
        let most = wanted.min(self.len()); // and not what others add meanwhile, again and again
        while items.len() < most {
            let next = self.next(taking, in_line, &aside);
            match next {
                Ok(Some(item)) => {
                    match item.end {
                        Some(_) => in_line += 1,
                        None => aside.push(item.number),
                    }
                    items.push(item);
                }
                Ok(None) => break,
                // The caller gets what is there; the next call finds this again.
                Err(_) if !items.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        if items.is_empty() && wanted > 0 {
            return Err(self.nothing());
        }
        Ok(items)
    }

    /// The next item: of those that can be taken, that with the lowest number. So many in line, and these
    /// aside, were chosen before.
    #[inline(always)]
    fn next(&self, taking: &mut Taking, in_line: u64, chosen: &[u64]) -> BufferResult<Option<Item>> {
        let aside = match chosen.last() {
            None => taking.state.first_ready(),
            Some(&last) => taking.state.first_ready_after(last),
        };
        let aside = aside.filter(|&number| self.is_written(number));
        let left = taking.state.in_line(self.log.visible()).saturating_sub(in_line);
        if let Some(number) = aside
            && (left == 0 || number < taking.reader.cursor.number)
            && taking.next.as_ref().is_none_or(|next| number < next.number)
        {
            return self.read_aside(taking, number).map(Some);
        }
        if left == 0 {
            return Ok(None);
        }
        let next = match taking.next.take() {
            Some(next) => Some(next),
            None => self.read_in_line(taking)?,
        };
        match (aside, &next) {
            (Some(number), Some(item)) if number < item.number => {
                taking.next = next;
                self.read_aside(taking, number).map(Some)
            }
            _ => Ok(next),
        }
    }

    /// Whether an item that stands aside can be read. A delayed one may be staged when its time comes.
    pub fn is_written(&self, number: u64) -> bool {
        !self.is_staged() || number < self.found || self.commit.is_durable(number)
    }

    fn read_aside(&self, taking: &Taking, number: u64) -> BufferResult<Item> {
        let aside = &taking.state.aside()[&number];
        let place = aside.place;
        let payload = self.read(place, number)?;
        Ok(Item { deliveries: aside.deliveries.saturating_add(1), ..Item::seen(number, place, payload) })
    }

    /// The payload of the item at a place.
    pub fn read(&self, place: Place, number: u64) -> BufferResult<Vec<u8>> {
        let missing = || {
            let path = self.log.path_of(place.segment);
            BufferError::Corrupted(format!("{}, offset {}: the file is missing", path.display(), place.offset))
        };
        let segment = self.log.segment(place.segment).ok_or_else(missing)?;
        let (head, payload) = segment.record_at(place.offset)?;
        let found = match head.kind {
            Kind::Item => Some(head.number),
            Kind::Moved => records::item(&payload).map(|(meta, _)| meta.number),
            Kind::Change | Kind::Popped => None,
        };
        if found == Some(number) {
            return Ok(payload);
        }
        Err(segment.corrupted(place.offset, &format!("there is no item {number}")))
    }

    #[inline(always)]
    fn read_in_line(&self, taking: &mut Taking) -> BufferResult<Option<Item>> {
        loop {
            let reader = &mut taking.reader;
            let Some((head, place)) = reader.next()? else {
                if !self.enter_next(reader) {
                    return Ok(None);
                }
                continue;
            };
            if head.kind != Kind::Item {
                continue;
            }
            let payload = reader.payload(&head, place);
            match records::item(payload) {
                Some((meta, _)) if meta.delay > 0 => {}
                Some((_, data)) => {
                    let data_at = payload.len() - data.len();
                    let (payload, end) = (payload.to_vec(), Some(reader.cursor));
                    return Ok(Some(Item { number: head.number, place, payload, data_at, deliveries: 1, end }));
                }
                None => return Err(reader.segment.corrupted(place.offset, &"an item without a beginning")),
            }
        }
    }

    /// Goes on with the next segment if this one ends here.
    pub fn enter_next(&self, reader: &mut Reader) -> bool {
        if !reader.segment.ends_at(reader.cursor.place.offset) {
            return false;
        }
        let next = self.log.segment_after(reader.segment.number());
        next.map(|segment| reader.enter(segment)).is_some()
    }

    /// If nothing is in line, moves the cursor to the end of the records, so that the segments before it are
    /// not needed any more.
    pub fn skip(&self, taking: &mut Taking) -> BufferResult<()> {
        if taking.next.is_some() || taking.state.in_line(self.log.visible()) > 0 {
            return Ok(());
        }
        taking.next = self.read_in_line(taking)?;
        let cursor = taking.reader.cursor;
        if taking.next.is_none() && cursor.place.segment > taking.state.cursor.place.segment {
            self.record(taking, &[Change::Popped { items: 0, cursor }])?;
        }
        Ok(())
    }

    /// Puts an item back that was taken and could not be understood. It keeps its place.
    pub fn put_back(&self, item: &Item) -> BufferResult<()> {
        self.in_room(|| self.put_back_in(&mut self.taking(), item))?;
        self.wake();
        Ok(())
    }

    /// The same under the consumers' lock; wakes nobody.
    pub fn put_back_in(&self, taking: &mut Taking, item: &Item) -> BufferResult<()> {
        let (meta, data) = records::item(&item.payload).ok_or_else(too_long)?;
        let meta = Meta { number: item.number, ..meta };
        let mut draft = Drafts::default();
        draft.item(Kind::Moved, &meta, data).ok_or_else(too_long)?;
        let place = self.append_for_consumer(taking, &mut draft)?.place;
        taking.state.moved(item.number, place);
        self.note_seen(&taking.state);
        if self.is_staged() {
            self.commit.write_out(&self.log)?; // nobody may read it before it is written
            self.worker.commit();
        }
        Ok(())
    }

    /// Appends records of a consumer, who may use the last file that there is.
    ///
    /// # Errors
    /// `Io`, or what a sync has failed with: nothing has happened then.
    pub fn append_for_consumer(&self, taking: &mut Taking, drafts: &mut Drafts) -> BufferResult<Appended> {
        let (appended, is_late) = {
            let mut tail = self.log.tail();
            self.check_open()?;
            self.make_room(&mut tail, taking, drafts.size())?;
            let appended = self.log.append(&mut tail, drafts)?;
            taking.noted.base = tail.end().link;
            (appended, tail.is_late())
        };
        if is_late {
            self.worker.tidy();
        }
        Ok(appended)
    }
}

impl Item {
    /// An item that does not stand in line, or that is only looked at.
    pub fn seen(number: u64, place: Place, payload: Vec<u8>) -> Self {
        let data_at = records::item(&payload).map_or(payload.len(), |(_, data)| payload.len() - data.len());
        Self { number, place, payload, data_at, deliveries: 0, end: None }
    }

    /// The item's own bytes.
    pub fn data(&self) -> &[u8] {
        &self.payload[self.data_at..]
    }
}

/// How many of the items stood in line, and where reading goes on behind the last of them.
fn passed(items: &[Item]) -> (u64, Option<Cursor>) {
    let mut ends = items.iter().filter_map(|item| item.end);
    (ends.clone().count() as u64, ends.next_back())
}
