//! What the payloads of records say: [`Meta`] in front of an item's own bytes, and [`Change`] for all else.
//!
//! Nearly all records say that an item was put in, or that items were popped. These have fields of fixed
//! sizes, which cost next to nothing to write and to read:
//!
//! ```text
//! item      at 7 | form 1 | only in form 1: delay 8, number 8, length of id 4, of headers 4, id, headers | own bytes
//! popped    items 8 | segment 8 | offset 8 | number 8 | link 4
//! ```
//!
//! The other changes are written with postcard, a compact format in which numbers take as many bytes as they
//! need. A later version may add changes at the end; this one then refuses the queue, since it can't know
//! what they mean.

use super::format::{self, Kind, u32_at, u64_at};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::mem;

/// Where a record begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The number of the segment, which is that of its first record.
    pub segment: u64,
    /// Bytes from the beginning of the file.
    pub offset: u64,
}

/// Where reading goes on: the next record in line, and what it is linked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub place: Place,
    pub number: u64,
    pub link: u32,
}

/// What is known of an item beside its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta<'a> {
    /// When it was put in, in milliseconds since 1970.
    pub at: u64,
    /// For how many milliseconds from then on it can't be taken.
    pub delay: u64,
    /// The number that it was given first, if it was written again since then; otherwise 0.
    pub number: u64,
    /// What the producer named it, so that the same item is not put in twice; empty if it has no name.
    pub id: &'a [u8],
    /// What the producer has added to it.
    pub headers: &'a [u8],
}

/// What happened, if not that an item was put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Items left that did not stand in line.
    Gone { numbers: Vec<u64>, how: How },
    /// Items were leased; so many of them stood in line until now.
    Leased { leases: Vec<Lease>, in_line: u64, cursor: Cursor },
    /// Leased items came back. They can't be taken for so many milliseconds from `at` on.
    Returned { numbers: Vec<u64>, at: u64, delay: u64 },
    /// A leased item was delivered too often, or was given up.
    Buried { number: u64, at: u64, reason: String },
    /// Dead items are to be delivered again, as if they never had been.
    Revived { numbers: Vec<u64> },
    /// So many items in line were dropped, and these others.
    Cleared { items: u64, cursor: Cursor, numbers: Vec<u64> },
    /// Everything before this place had reached the disk when this was written. The salt is that of the
    /// segment in which this stands: so it is known for what it is even where the records before it are
    /// broken.
    Synced { place: Place, salt: u64 },
    /// The same, and the queue was closed in good order.
    Closed { place: Place, salt: u64 },
    /// The whole state. Each segment begins with it.
    Snapshot(Box<Snapshot>),
    /// The queue was opened again, and what follows was written after that. The number is random.
    Opened { salt: u64 },
    /// A record was lost here, and a repair has put this in its place. The bytes only take its room, and make
    /// the link come out to which the next record is linked.
    Lost { filler: Vec<u8> },
    /// So many items were popped in line, and the cursor has come this far. A record of a kind of its own.
    #[serde(skip)]
    Popped { items: u64, cursor: Cursor },
}

impl Change {
    /// Whether it tells of items that were taken, or of the whole state.
    pub const fn tells(&self) -> bool {
        !matches!(self, Self::Synced { .. } | Self::Closed { .. } | Self::Opened { .. } | Self::Lost { .. })
    }
}

/// How an item left the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    Popped,
    Acked,
    /// Nobody will get it.
    Purged,
}

/// An item that is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub number: u64,
    pub place: Place,
    /// How often it was delivered, this time included.
    pub deliveries: u32,
}

/// The state of a queue between two records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Items ever put in; of these, items that stood in line at once.
    pub enqueued: u64,
    pub lined_up: u64,
    /// Items that the cursor has passed.
    pub passed: u64,
    /// Items that left because they were wanted, and that were dropped.
    pub dequeued: u64,
    pub dropped: u64,
    pub cursor: Cursor,
    /// The items that don't stand in line, by number.
    pub aside: Vec<(u64, Aside)>,
    /// The latest names of items, oldest first.
    pub ids: Vec<Vec<u8>>,
}

/// An item that does not stand in line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    pub place: Place,
    pub deliveries: u32,
    pub status: Status,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It can be taken, before all items with a higher number.
    Ready,
    /// Somebody works on it.
    Leased,
    /// It can't be taken for so many milliseconds from `at` on, a time in milliseconds since 1970.
    Delayed { at: u64, delay: u64 },
    /// It is kept for somebody to look at.
    Dead { at: u64, reason: String },
}

/// How an item's payload begins: only with the time, or with all that there is to say of it.
const PLAIN: u64 = 0;
const FULL: u64 = 1;

/// How many bits the time has.
const AT: u32 = 56;

/// Records that belong together and are ready to be written, but for their places in the chain.
#[derive(Debug)]
pub struct Drafts {
    bytes: Vec<u8>,
    count: usize,
}

thread_local! {
    /// Memory for the next records of this thread: to ask for some would take longer than to write a short
    /// record.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// No more than so many bytes are kept to be used again.
pub const KEPT: usize = 256 << 10;

impl Default for Drafts {
    #[inline]
    fn default() -> Self {
        Self { bytes: ROOM.try_with(Cell::take).unwrap_or_default(), count: 0 }
    }
}

impl Drop for Drafts {
    #[inline]
    fn drop(&mut self) {
        if self.bytes.capacity() <= KEPT {
            self.bytes.clear();
            let bytes = mem::take(&mut self.bytes);
            let _ = ROOM.try_with(|room| room.set(bytes)); // a thread that ends has none
        }
    }
}

impl Drafts {
    /// Adds the record of an item. `None`: it is too long for a record.
    #[inline(always)]
    pub fn item(&mut self, kind: Kind, meta: &Meta<'_>, data: &[u8]) -> Option<()> {
        let Meta { delay, number, id, headers, .. } = *meta;
        if delay == 0 && number == 0 && id.is_empty() && headers.is_empty() {
            return self.plain_item(kind, meta.at, [&[], data]);
        }
        self.count += 1;
        let at = meta.at.min((1 << AT) - 1);
        let numbers = [FULL << AT | at, delay, number].map(u64::to_le_bytes);
        let lengths = [u32::try_from(id.len()).ok()?, u32::try_from(headers.len()).ok()?].map(u32::to_le_bytes);
        let fields = [numbers.as_flattened(), lengths.as_flattened(), id, headers, data];
        format::add(&mut self.bytes, kind, fields)
    }

    /// Adds the record of an item of which nothing is known but its time, and whose bytes are in two pieces.
    #[inline(always)]
    pub fn plain_item(&mut self, kind: Kind, at: u64, [front, rest]: [&[u8]; 2]) -> Option<()> {
        self.count += 1;
        let at = at.min((1 << AT) - 1);
        format::add(&mut self.bytes, kind, [&(PLAIN << AT | at).to_le_bytes(), front, rest])
    }

    /// Adds the record of a change. `None`: it is too long for a record.
    #[inline(always)]
    pub fn change(&mut self, change: &Change) -> Option<()> {
        self.count += 1;
        let &Change::Popped { items, cursor: Cursor { place, number, link } } = change else {
            let mut short = [0; 64]; // enough for most, and takes no memory
            if let Ok(written) = postcard::to_slice(change, &mut short) {
                return format::add(&mut self.bytes, Kind::Change, [&*written]);
            }
            return format::add(&mut self.bytes, Kind::Change, [&postcard::to_stdvec(change).ok()?]);
        };
        let numbers = [items, place.segment, place.offset, number].map(u64::to_le_bytes);
        format::add(&mut self.bytes, Kind::Popped, [numbers.as_flattened(), &link.to_le_bytes()])
    }

    /// How many records there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// How many bytes they take.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Gives them their places at the end of the chain, which is behind them then. Returns their bytes.
    #[inline(always)]
    pub fn place(&mut self, end: &mut Cursor, salt: u64) -> &[u8] {
        let mut at = 0;
        while at < self.bytes.len() {
            let size = format::claimed_size(&self.bytes[at..]) as usize;
            let more = at + size < self.bytes.len();
            end.link = format::place(&mut self.bytes[at..], end.number, more, salt, end.link);
            end.number += 1;
            at += size;
        }
        end.place.offset += self.size();
        &self.bytes
    }

    /// Where each record begins, if the first one begins here.
    pub fn offsets(&self, first: u64) -> impl Iterator<Item = u64> {
        let size_at = |at: &u64| format::claimed_size(&self.bytes[*at as usize..]);
        let all = std::iter::successors(Some(0), move |at| Some(at + size_at(at)).filter(|&at| at < self.size()));
        all.map(move |at| first + at)
    }
}

/// What is known of an item, and the item's own bytes. `None`: these bytes say nothing.
#[inline]
pub fn item(payload: &[u8]) -> Option<(Meta<'_>, &[u8])> {
    let (&first, rest) = payload.split_first_chunk()?;
    let first = u64::from_le_bytes(first);
    let plain = Meta { at: first & ((1 << AT) - 1), delay: 0, number: 0, id: &[], headers: &[] };
    match first >> AT {
        PLAIN => Some((plain, rest)),
        FULL => {
            let (fields, rest) = rest.split_first_chunk::<24>()?;
            let (id, rest) = rest.split_at_checked(u32_at(fields, 16) as usize)?;
            let (headers, data) = rest.split_at_checked(u32_at(fields, 20) as usize)?;
            Some((Meta { delay: u64_at(fields, 0), number: u64_at(fields, 8), id, headers, ..plain }, data))
        }
        _ => None,
    }
}

/// Whether this is the record of an item that stands in line.
pub fn is_in_line(kind: Kind, payload: &[u8]) -> bool {
    kind == Kind::Item && item(payload).is_some_and(|(meta, _)| meta.delay == 0)
}

/// How many bytes say that items were popped.
const POPPED: usize = 36;

/// The change that a record of this kind tells of. `None`: this version does not know it.
pub fn change(kind: Kind, payload: &[u8]) -> Option<Change> {
    match kind {
        Kind::Item | Kind::Moved => None,
        Kind::Popped => {
            let fields: &[u8; POPPED] = payload.try_into().ok()?;
            let place = Place { segment: u64_at(fields, 8), offset: u64_at(fields, 16) };
            let cursor = Cursor { place, number: u64_at(fields, 24), link: u32_at(fields, 32) };
            Some(Change::Popped { items: u64_at(fields, 0), cursor })
        }
        Kind::Change => match postcard::take_from_bytes(payload) {
            Ok((change, [])) => Some(change),
            _ => None,
        },
    }
}

/// Whether a payload says something to this version.
pub fn is_understood(kind: Kind, payload: &[u8]) -> bool {
    match kind {
        Kind::Item | Kind::Moved => item(payload).is_some(),
        Kind::Change | Kind::Popped => change(kind, payload).is_some(),
    }
}

/// The place that a mark names: a [`Change::Synced`] or [`Change::Closed`] with this salt.
pub fn mark(payload: &[u8], salt: u64) -> Option<Place> {
    const LONGEST: usize = 1 + 3 * 10;
    match (payload.len() <= LONGEST).then(|| change(Kind::Change, payload))?? {
        Change::Synced { place, salt: found } | Change::Closed { place, salt: found } => {
            (found == salt).then_some(place)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The kind and the payload of the one record.
    fn written(draft: impl FnOnce(&mut Drafts) -> Option<()>) -> (Kind, Vec<u8>) {
        let mut drafts = Drafts::default();
        draft(&mut drafts).unwrap();
        let mut end = Cursor::default();
        let bytes = drafts.place(&mut end, 7);
        let format::Found::Record { head, payload, .. } = format::decode(bytes, 7, 0) else { panic!("no record") };
        (head.kind, payload.to_vec())
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..60)
    }

    proptest! {
        #[test]
        fn an_item_is_read_as_it_was_written(
            at in 0..1_u64 << AT, delay: u64, number: u64, id in bytes(), headers in bytes(), data in bytes(), plain: bool
        ) {
            let full = Meta { at, delay, number, id: &id, headers: &headers };
            let meta = if plain { Meta { delay: 0, number: 0, id: &[], headers: &[], ..full } } else { full };
            let (_, payload) = written(|drafts| drafts.item(Kind::Item, &meta, &data));
            prop_assert_eq!(item(&payload), Some((meta, &data[..])));
        }

        #[test]
        fn bytes_that_nobody_wrote_say_nothing_or_something_of_themselves(bytes in bytes(), form in 0..3_u8) {
            let mut bytes = bytes;
            bytes.get_mut(7).into_iter().for_each(|place| *place = form);
            if let Some((meta, data)) = item(&bytes) {
                prop_assert!(meta.id.len() + meta.headers.len() + data.len() <= bytes.len());
            }
            let _ = [Kind::Item, Kind::Moved, Kind::Change, Kind::Popped].map(|kind| change(kind, &bytes));
        }
    }

    /// `docs/guarantees.md` has them.
    #[test]
    fn the_bytes_are_those_that_the_format_says() {
        let plain = Meta { at: 0x0007_0605_0403_0201, delay: 0, number: 0, id: b"", headers: b"" };
        let (_, payload) = written(|drafts| drafts.item(Kind::Item, &plain, b"own"));
        assert_eq!(payload, [1, 2, 3, 4, 5, 6, 7, 0, b'o', b'w', b'n']);
        let full = Meta { delay: 9, number: 10, id: b"id", headers: b"h", ..plain };
        let (kind, payload) = written(|drafts| drafts.item(Kind::Moved, &full, b"own"));
        assert_eq!(kind, Kind::Moved);
        let numbers = [[1, 2, 3, 4, 5, 6, 7, 1], 9_u64.to_le_bytes(), 10_u64.to_le_bytes(), [2, 0, 0, 0, 1, 0, 0, 0]];
        assert_eq!(payload, [&numbers.concat()[..], b"idhown"].concat());
        let cursor = Cursor { place: Place { segment: 2, offset: 3 }, number: 4, link: 5 };
        let (kind, payload) = written(|drafts| drafts.change(&Change::Popped { items: 1, cursor }));
        assert_eq!(kind, Kind::Popped);
        assert_eq!(payload, [[1, 2, 3, 4].map(u64::to_le_bytes).concat(), vec![5, 0, 0, 0]].concat());
        let variants = [
            (0, Change::Gone { numbers: vec![], how: How::Acked }),
            (6, Change::Synced { place: cursor.place, salt: 1 }),
            (8, Change::Snapshot(Box::default())),
            (9, Change::Opened { salt: 1 }),
        ];
        for (number, variant) in variants {
            let (kind, payload) = written(|drafts| drafts.change(&variant));
            assert_eq!((payload[0], change(kind, &payload)), (number, Some(variant)));
        }
    }
}
