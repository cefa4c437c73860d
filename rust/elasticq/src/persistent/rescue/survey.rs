//! All that can be read of a queue, whatever its state. No file is changed, and none is believed. Nothing is
//! kept in memory for an item in line.
//!
//! Recovery (`recover`) stops where the chain of records breaks. A survey goes on behind that, and notes the
//! gap. What was lost in it may have said that items were popped, leased or acknowledged. The next snapshot
//! says so again, since it shows the whole state. If none follows, what is known decides:
//!
//! - A record that names an item is believed, whatever came before it.
//! - A record that moves the cursor says how many items it passes itself. Those between them and the place of
//!   the cursor before the gap are in doubt: they were popped or leased in the gap. They stay in the queue,
//!   so they may come twice.
//!
//! **Batches.** A batch of which a record is lost was cut off, unless it was durable. Then it was never put
//! in, and its other records are lost, too. The records before the lost one say whether they belong to it,
//! and its own head, if that can be read, says whether the next ones do. They do up to one that ends a batch.
//!
//! **Behind what is torn** files have only begun, with a state that knows of what was never written: opening
//! gives them up.

use super::super::cell;
use super::super::files::Storage;
use super::super::format::{End, HEAD, HEADER, Head, Kind, Why, link, size_of_record, u32_at};
use super::super::records::{self, Aside, Change, Cursor, Place, Status};
use super::super::recover::{self, Rest};
use super::super::root;
use super::super::segment::{Next, Reader, named};
use super::super::state::State;
use super::batch::{Batch, Following, Record, is_complete};
use super::behind::{self, Bounds, LEAST};
use super::part::{Gap, Part, Run};
use super::report::Progress;
use super::walk::{self, Walk};
use crate::error::{BufferError, BufferResult};
use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

#[derive(Debug)]
pub struct Survey {
    /// All files with the names of segments, in order.
    pub parts: Vec<Part>,
    /// But for those before the root.
    pub needless: Vec<String>,
    pub state: State,
    /// Behind the last record.
    pub end: Cursor,
    /// Whether the last record says that the queue was closed in good order.
    pub closed: bool,
    /// Up to where everything was durable, as the records say that were read.
    pub synced: Place,
    /// Whether records may be lost that said that items were taken.
    pub is_doubtful: bool,
    /// The numbers of lost records that were items, since the last snapshot; `None`: that is not known.
    lost: Option<Vec<u64>>,
    /// The number of the item with which the line began before a gap.
    unsure: Option<u64>,
    /// Items that were passed in a gap.
    doubts: Vec<Doubt>,
    /// What was last said of items, since a gap; `None`: it is gone.
    said: BTreeMap<u64, Option<Status>>,
    /// The highest number of an item of which something was said since a gap.
    named: u64,
    /// The link of the last record that tells of items that were taken, and what was unsure behind it.
    base: (u32, Option<u64>),
    /// Whether there was a gap since the last snapshot.
    apart: bool,
    /// The part that was read last.
    last: Option<usize>,
    /// Whether the last writes there may have been torn.
    is_cut_off: bool,
}

/// Items in line of these numbers; of those so many at the end are gone for certain.
#[derive(Debug)]
struct Doubt {
    from: u64,
    to: u64,
    gone: u64,
}

impl Survey {
    /// # Errors
    /// `Io`; `InvalidOperation` if this is no queue, or one of a later version; `Corrupted` if what it reads
    /// for the second time is different then.
    pub fn of(storage: &dyn Storage, progress: &Progress) -> BufferResult<Self> {
        let mut parts = Vec::new();
        let names = recover::list(storage)?;
        let root = root::read(storage, &names)?;
        let mut given_up = 0;
        for name in names {
            if let Some((number, salt)) = named(&name) {
                let part = Part::open(storage, name, number, salt)?;
                given_up += usize::from(part.is_none());
                parts.extend(part);
            }
        }
        let mut needless = Vec::new();
        if let Some(root) = root.filter(|&root| parts.iter().any(|part| part.number == root)) {
            let first = parts.partition_point(|part| part.number < root);
            needless.extend(parts.drain(..first).map(|part| part.name));
        }
        let Some(first) = parts.first() else {
            let path = storage.path("");
            let path = path.display();
            return Err(match given_up {
                0 => BufferError::InvalidOperation(format!("{path}: there is no queue here")),
                _ => BufferError::Corrupted(format!("{path}: all files were removed while they were opened")),
            });
        };
        progress.expect(parts.iter().map(|part| part.bytes).sum());
        let start = Place { segment: first.number, offset: HEADER as u64 };
        let mut survey = Self {
            state: State::with_window(usize::MAX),
            end: Cursor { place: start, number: 0, link: 0 },
            closed: false,
            synced: Place::default(),
            is_doubtful: true,
            lost: None,
            unsure: Some(first.number),
            doubts: Vec::new(),
            said: BTreeMap::new(),
            named: 0,
            base: (0, None),
            apart: true,
            last: None,
            is_cut_off: false,
            parts: Vec::new(),
            needless,
        };
        survey.state.takes.cursor = Cursor { place: start, number: first.number, link: first.links[0] };
        for index in 0..parts.len() {
            if !survey.is_cut_off {
                let number = parts[index].number;
                let next = parts[index..].iter().find(|part| part.number > number);
                let next = next.map(|part| Following { number: part.number, before: part.before });
                survey.read(&mut parts, index, next)?;
            }
            progress.add(parts[index].bytes);
        }
        survey.parts = parts;
        survey.follow_cell()?;
        survey.settle_doubts();
        Ok(survey)
    }

    /// Whether every file and every record is right.
    pub fn is_whole(&self) -> bool {
        self.parts.iter().all(|part| part.fault.is_none() && part.gaps.is_empty() && part.records > 0)
    }

    /// How many records can be read.
    pub fn records(&self) -> u64 {
        self.parts.iter().map(|part| part.records).sum()
    }

    /// All runs, in order.
    pub fn runs(&self) -> Vec<Run> {
        self.parts.iter().flat_map(|part| part.runs.iter().cloned()).collect()
    }

    /// All gaps, in order, each with its file.
    pub fn gaps(&self) -> impl Iterator<Item = (&Part, &Gap)> {
        self.parts.iter().flat_map(|part| part.gaps.iter().map(move |gap| (part, gap)))
    }

    /// The items in line from the cursor on.
    pub fn line(&self) -> Walk {
        Walk::new(self.runs(), self.state.takes.cursor.number)
    }

    /// The payload of the item aside of this number; `None` if it can't be read. Its place and its checksum
    /// say that it is right, also where the chain of records is broken.
    pub fn aside(&self, number: u64, place: Place) -> Option<Vec<u8>> {
        let mut segments = self.parts.iter().filter(|part| part.number == place.segment);
        segments.find_map(|part| {
            let (head, payload) = part.segment.as_ref()?.record_at(place.offset).ok()?;
            let found = match head.kind {
                Kind::Item => head.number,
                Kind::Moved => records::item(&payload)?.0.number,
                Kind::Change | Kind::Popped => return None,
            };
            (found == number).then_some(payload)
        })
    }

    /// Whether the record at this place is in its chain.
    pub fn is_linked(&self, place: Place) -> bool {
        let mut runs = self.parts.iter().filter(|part| part.number == place.segment).flat_map(|part| &part.runs);
        runs.any(|run| (run.from.place.offset..run.end.place.offset).contains(&place.offset))
    }

    /// How many items were lost of which nothing can be read, if so many are in line; `None` if that is not
    /// known.
    pub fn lost_in_line(&self, in_line: u64) -> Option<u64> {
        let cursor = self.state.takes.cursor.number;
        let since = self.lost.as_ref()?.iter().filter(|&&number| number >= cursor).count() as u64;
        Some(since + self.state.takes.in_line(self.state.puts.lined_up).saturating_sub(in_line))
    }

    /// A number that no record has had, whatever was lost.
    pub fn unused_number(&self) -> u64 {
        let beyond = |number: u64, bytes: u64| number.saturating_add(bytes / LEAST + 1);
        let parts = self.parts.iter().map(|part| match part.gaps.last() {
            Some(gap) if gap.until.is_none() => beyond(gap.at.number, part.bytes.saturating_sub(gap.at.place.offset)),
            // Nobody has written so many records; opening refuses such a number, too.
            _ if part.runs.is_empty() && part.number < u64::MAX / 2 => beyond(part.number, part.bytes),
            _ => 0,
        });
        parts.max().unwrap_or(0).max(self.end.number)
    }

    /// Reads one file.
    fn read(&mut self, parts: &mut [Part], index: usize, next: Option<Following>) -> BufferResult<()> {
        let (done, rest) = parts.split_at_mut(index);
        let Some((part, following)) = rest.split_first_mut() else { return Ok(()) };
        let Some(segment) = part.segment.clone().filter(|_| part.number >= self.end.number) else { return Ok(()) };
        let start = segment.start();
        let mut reader = Reader::new(segment, Cursor { link: part.links[0], ..start });
        let mut from = reader.cursor;
        let mut batch = Batch::default();
        let (mut is_reopened, mut has_joined, mut is_last) = (false, false, None);
        let mut torn = None;
        let end = loop {
            let at = reader.cursor;
            let step = reader.step()?;
            match step {
                Next::End => break at,
                Next::Record { head, place } => {
                    let payload = reader.payload(&head, place);
                    let is_understood = records::is_understood(head.kind, payload);
                    if is_understood && batch.is_lost {
                        self.note(at.number, head.kind == Kind::Item);
                        part.gaps.last_mut().into_iter().for_each(|gap| gap.end(reader.cursor));
                        (from, batch.is_lost) = (reader.cursor, head.more);
                        continue;
                    }
                    if is_understood {
                        if !mem::replace(&mut has_joined, true) {
                            self.join(done, part, start.number);
                            self.last = Some(index);
                        }
                        let record = (place, head.number, head.kind, payload.to_vec());
                        is_reopened |= self.add(part, &mut batch, at, head.more, record, reader.cursor.link);
                        continue;
                    }
                }
                Next::Nothing | Next::Broken(_) if is_complete(&reader, &batch, next)? => break at,
                Next::Nothing | Next::Broken(_) => {}
            }
            let may_be_torn = self.may_be_torn(&mut is_last, batch.start.unwrap_or(at), part, following)?;
            // What is lost; and the head, if it is one record whose head is right.
            let (mut gap, head) = match step {
                Next::Record { head, .. } => {
                    let why = "a record that this version of elasticq does not understand".into();
                    (Gap::one(at, reader.cursor, why, true), Some(head))
                }
                Next::Broken(why @ (Why::Payload | Why::Kind(_))) => {
                    let head = *reader.look(at.place.offset, HEAD)?.first_chunk::<HEAD>().unwrap_or(&[0; HEAD]);
                    let size = size_of_record(u32_at(&head, 0));
                    let place = Place { offset: at.place.offset + size, ..at.place };
                    let next = Cursor { place, number: at.number.wrapping_add(1), link: u32_at(&head, 20) };
                    (Gap::one(at, next, why.to_string(), matches!(why, Why::Kind(_))), Head::decode(&head))
                }
                step => {
                    let why = match step {
                        Next::Broken(why) => why.to_string(),
                        _ => "there are only zeroes where a record should be".into(),
                    };
                    let bounds = self.bounds(&mut reader, part, next, is_reopened)?;
                    let found = behind::find(&mut reader, &bounds)?;
                    if let Some(found) = found.filter(|found| found.place == at.place) {
                        // Only the link was not known that the first record has.
                        reader.go_to(found);
                        from = found;
                        continue;
                    }
                    let was_closed = next.is_none() && self.closed && batch.start.is_none();
                    if found.is_none() && was_closed && self.synced <= at.place {
                        break at; // what is behind it is older
                    }
                    let bytes = match found {
                        Some(found) => found.place.offset - at.place.offset,
                        None => Rest::look(&reader.segment, at.place.offset)?.bytes,
                    };
                    let until = found.map(|found| found.number);
                    (Gap { at, next: found, until, bytes, why, is_foreign: false }, None)
                }
            };
            let Some(next) = gap.next else {
                torn = Some(gap);
                break at;
            };
            let goes_on = head.map_or(batch.is_lost || batch.start.is_some(), |head| head.more);
            if may_be_torn && !gap.is_foreign {
                self.lose(&mut batch, &mut gap);
                batch.is_lost = goes_on;
                self.is_cut_off |= has_joined;
            } else {
                self.close(part, &mut batch);
                batch.is_lost &= goes_on;
            }
            self.note(at.number, head.is_some_and(|head| head.kind == Kind::Item));
            if gap.at.number > from.number {
                part.runs.push(Run { segment: Arc::clone(&reader.segment), from, end: gap.at });
            }
            part.gaps.push(gap);
            reader.go_to(next);
            from = next;
        };
        let end = match batch.start {
            // An earlier opener has given it up, and went on there.
            Some(start) if next.is_some_and(|next| next.follows(&start)) => start,
            Some(start) if self.may_be_torn(&mut is_last, start, part, following)? => {
                let no_end = || Gap::to_the_end(end, "a batch whose end is missing".into());
                self.lose(&mut batch, torn.get_or_insert_with(no_end));
                start
            }
            Some(_) => {
                part.is_open = true;
                self.close(part, &mut batch);
                end
            }
            None => end,
        };
        if end.number > from.number {
            part.runs.push(Run { segment: Arc::clone(&reader.segment), from, end });
        }
        if let Some(gap) = torn {
            self.is_cut_off |= has_joined && self.may_be_torn(&mut is_last, end, part, following)?;
            self.note(gap.at.number, false);
            part.gaps.push(gap);
        } else if batch.is_lost {
            self.note(end.number, false); // where it ended is not known
        }
        part.end = end;
        if has_joined {
            self.end = end;
        }
        Ok(())
    }

    /// Whether a batch that begins here may have been cut off: nothing was written behind this part but the
    /// beginnings of files, and no mark says that it was durable. `is_last`: the answer to the first half,
    /// and that marks were looked for.
    fn may_be_torn(
        &mut self,
        is_last: &mut Option<bool>,
        start: Cursor,
        part: &Part,
        following: &[Part],
    ) -> BufferResult<bool> {
        if is_last.is_none() {
            let mut only_begun = true;
            for part in following {
                only_begun = only_begun && part.has_only_begun()?;
            }
            if let Some(segment) = part.segment.as_ref().filter(|_| only_begun) {
                let (path, from) = (&segment.path, start.place.offset);
                let mark = recover::marks_behind(&*segment.file, path, from, segment.header.salt)?;
                self.synced = self.synced.max(mark);
            }
            *is_last = Some(only_begun);
        }
        Ok(*is_last == Some(true) && start.place >= self.synced)
    }

    /// Goes on from the end of the last file to the beginning of this one.
    fn join(&mut self, done: &mut [Part], part: &Part, number: u64) {
        let Some(last) = self.last.and_then(|last| done.get_mut(last)) else { return };
        let end = End { last: self.end.number.wrapping_sub(1), link: self.end.link };
        match part.before {
            Some(before) if before == end => return,
            None if self.end.number == number => return,
            _ => {}
        }
        // What was lost at the end of the last file is known now.
        if let Some(gap) = last.gaps.last_mut().filter(|gap| gap.next.is_none()) {
            gap.until = Some(number);
            return;
        }
        let why = "the records from here to the next file are missing".into();
        self.note(self.end.number, false);
        last.gaps.push(Gap { until: Some(number), ..Gap::to_the_end(self.end, why) });
    }

    fn bounds(
        &self,
        reader: &mut Reader,
        part: &Part,
        next: Option<Following>,
        is_reopened: bool,
    ) -> BufferResult<Bounds> {
        let (at, segment) = (reader.cursor, Arc::clone(&reader.segment));
        let salt = segment.header.salt;
        let begins = part.before.is_none() && at.place == segment.start().place;
        let follows = if begins {
            (at.number, part.links)
        } else {
            let left = segment.end() - at.place.offset;
            let head = reader.look(at.place.offset, left.min(HEAD as u64) as usize)?;
            let link = head.first_chunk().map_or([0; 2], |head| [u32_at(head, 20), link(salt, at.link, head)]);
            (at.number.wrapping_add(1), link)
        };
        // Behind a place where the queue was opened again in the same file, records of the time before may
        // stand that were given up. What was durable was not.
        let until = match next {
            Some(_) => u64::MAX,
            None if !is_reopened => u64::MAX,
            None if self.synced.segment == segment.number() => self.synced.offset,
            None => 0,
        };
        let before = next.map_or(u64::MAX, |next| next.number);
        Ok(Bounds { begins, follows, before, last: next.and_then(|next| next.before), until })
    }

    /// Follows a record with this link, or keeps it until its batch is whole. Returns whether it says that
    /// the queue was opened again.
    fn add(&mut self, part: &mut Part, batch: &mut Batch, at: Cursor, more: bool, record: Record, link: u32) -> bool {
        if more {
            batch.start.get_or_insert(at);
            batch.records.push(record);
            return false;
        }
        self.close(part, batch);
        let change = self.follow(part, &record);
        if record.2 == Kind::Moved || change.as_ref().is_some_and(Change::tells) {
            self.base = (link, self.unsure);
        }
        matches!(change, Some(Change::Opened { .. }))
    }

    /// Follows what was read of a batch, though it may not be whole.
    fn close(&mut self, part: &mut Part, batch: &mut Batch) {
        batch.start = None;
        for record in batch.records.drain(..) {
            self.follow(part, &record);
        }
    }

    /// Lets the gap begin with a batch that was never put in.
    fn lose(&mut self, batch: &mut Batch, gap: &mut Gap) {
        batch.start.take().into_iter().for_each(|start| gap.begin(start));
        for (_, number, kind, _) in batch.records.drain(..) {
            self.note(number, kind == Kind::Item);
        }
    }

    fn follow(&mut self, part: &mut Part, (place, number, kind, payload): &Record) -> Option<Change> {
        part.records += 1;
        part.items += u64::from(*kind == Kind::Item);
        self.closed = false;
        if matches!(kind, Kind::Item | Kind::Moved) {
            let (meta, _) = records::item(payload)?;
            if *kind == Kind::Item {
                self.state.item(*number, *place, &meta);
            } else {
                self.said.remove(&meta.number);
                self.named = self.named.max(meta.number);
                self.state.takes.moved(meta.number, *place);
            }
            return None;
        }
        let change = records::change(*kind, payload)?;
        match &change {
            Change::Snapshot(snapshot) => {
                self.state.restore(snapshot);
                self.doubts.clear();
                self.said.clear();
                (self.unsure, self.apart, self.is_doubtful, self.named) = (None, false, false, 0);
                self.lost = Some(Vec::new());
            }
            &Change::Synced { place, .. } => self.synced = self.synced.max(place),
            &Change::Closed { place, .. } => {
                self.synced = self.synced.max(place);
                self.closed = true;
            }
            change => {
                if self.apart {
                    self.hear(change);
                }
                self.state.takes.apply(change);
            }
        }
        Some(change)
    }

    /// Passes the items that were popped as only the cell of the last segment says.
    fn follow_cell(&mut self) -> BufferResult<()> {
        let Some(last) = self.last.map(|last| &self.parts[last]) else { return Ok(()) };
        let from = self.state.takes.cursor.number;
        let salt = last.segment.as_ref().map_or(0, |segment| segment.header.salt);
        let (base, unsure) = self.base;
        let Some(number) = cell::beyond(last.cell, salt, base, from) else { return Ok(()) };
        let number = number.min(self.end.number);
        let runs = self.runs();
        let mut items = 0;
        if let Some(from) = unsure {
            // A record that was lost before may have leased some of them.
            self.doubts.push(Doubt { from, to: number, gone: 0 });
        } else {
            let mut walk = Walk::new(runs.clone(), from);
            loop {
                match walk.next_before(number) {
                    Ok(Some(_)) => items += 1,
                    Ok(None) => break,
                    Err(_) => {} // it could be read a moment ago
                }
            }
        }
        // The next item may be lost; it counts.
        let cursor = Cursor { number, ..walk::locate(&runs, number)?.unwrap_or(self.end) };
        self.state.takes.apply(&Change::Popped { items, cursor });
        self.closed &= items == 0;
        Ok(())
    }

    /// Notes what a change says of items of which a lost record may have said more.
    fn hear(&mut self, change: &Change) {
        let (passed, cursor) = match change {
            Change::Popped { items, cursor } | Change::Cleared { items, cursor, .. } => (*items, Some(cursor.number)),
            Change::Leased { in_line, cursor, leases } => {
                for lease in leases {
                    self.said.remove(&lease.number);
                    self.named = self.named.max(lease.number);
                }
                (*in_line, Some(cursor.number))
            }
            _ => (0, None),
        };
        if let (Some(from), Some(to)) = (self.unsure, cursor) {
            self.unsure = None;
            if to > from {
                self.doubts.push(Doubt { from, to, gone: passed });
            }
        }
        let (numbers, status): (&[u64], _) = match change {
            Change::Gone { numbers, .. } | Change::Cleared { numbers, .. } => (numbers, None),
            Change::Returned { numbers, at, delay } => {
                let status = if *delay == 0 { Status::Ready } else { Status::Delayed { at: *at, delay: *delay } };
                (numbers, Some(status))
            }
            Change::Revived { numbers } => (numbers, Some(Status::Ready)),
            Change::Buried { number, at, reason } => {
                (std::slice::from_ref(number), Some(Status::Dead { at: *at, reason: reason.clone() }))
            }
            _ => (&[], None),
        };
        for &number in numbers {
            self.named = self.named.max(number);
            self.said.insert(number, status.clone());
        }
    }

    /// Notes that records are lost from this number on, or only this one, an item.
    fn note(&mut self, number: u64, is_item: bool) {
        (self.apart, self.closed) = (true, false);
        if is_item {
            self.lost.iter_mut().for_each(|lost| lost.push(number));
            return;
        }
        self.lost = None;
        self.is_doubtful = true;
        self.unsure.get_or_insert(self.state.takes.cursor.number);
    }

    /// Decides what becomes of the items in doubt: they stand aside from now on, and the line begins behind
    /// them.
    fn settle_doubts(&mut self) {
        let takes = &mut self.state.takes;
        if let Some(from) = self.unsure
            && (takes.cursor.number..self.end.number).contains(&self.named)
        {
            self.doubts.push(Doubt { from, to: self.named + 1, gone: 0 });
            takes.cursor.number = self.named + 1;
        }
        for Doubt { from, to, gone } in mem::take(&mut self.doubts) {
            let mut walk = Walk::new(self.runs(), from);
            let mut found = Vec::new();
            loop {
                match walk.next_before(to) {
                    Ok(Some(item)) => found.push((item.number, item.place)),
                    Ok(None) => break,
                    Err(_) => {} // it could be read a moment ago
                }
            }
            found.truncate(found.len().saturating_sub(gone as usize));
            for (number, place) in found {
                let status = match self.said.get(&number) {
                    Some(None) => continue,
                    Some(Some(status)) => status.clone(),
                    None => Status::Ready,
                };
                if !self.state.takes.aside().contains_key(&number) {
                    self.state.takes.insert(number, Aside { place, deliveries: 0, status });
                }
            }
        }
    }
}
