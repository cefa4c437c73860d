//! What the payloads of records say: [`Meta`] in front of an item's own bytes, and [`Change`] for all else.
//!
//! Nearly all records say that an item was put in, or that items were popped. These have fields of fixed sizes, which
//! cost next to nothing to write and to read:
//!
//! ```text
//! item      at 7 | form 1 | only in form 1: delay 8, number 8, length of id 4, of headers 4, id, headers | own bytes
//! popped    items 8 | segment 8 | offset 8 | number 8 | link 4
//! ```
//!
//! The other changes are written with postcard, a compact format in which numbers take as many bytes as they need.
//! A later version may add changes at the end; this one then refuses the queue, since it can't know what they mean.

use super::format::{self, Kind, u32_at, u64_at};
use serde::{Deserialize, Serialize};

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
    /// Everything before this place had reached the disk when this was written. The salt is that of the segment
    /// in which this stands: so it is known for what it is even where the records before it are broken.
    Synced { place: Place, salt: u64 },
    /// The same, and the queue was closed in good order.
    Closed { place: Place, salt: u64 },
    /// The whole state. Each segment begins with it.
    Snapshot(Box<Snapshot>),
    /// The queue was opened again, and what follows was written after that. The number is random.
    Opened { salt: u64 },
    /// So many items were popped in line, and the cursor has come this far. A record of a kind of its own.
    #[serde(skip)]
    Popped { items: u64, cursor: Cursor },
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

/// A record that is ready to be written, but for its place in the chain. Its checksum is computed when it is
/// made, outside of any lock. Short ones take no memory of their own.
#[derive(Debug)]
pub struct Draft<'a> {
    pub head: format::Head,
    /// The payload: what is known of an item, or a change; and an item's own bytes.
    front: Front,
    data: &'a [u8],
}

#[derive(Debug)]
enum Front {
    Short { bytes: [u8; SHORT], len: usize },
    Long(Vec<u8>),
}

const SHORT: usize = 40;

impl Front {
    #[inline]
    fn fixed<const N: usize>(fields: &[u8; N]) -> Self {
        let mut bytes = [0; SHORT];
        bytes[..N].copy_from_slice(fields);
        Self::Short { bytes, len: N }
    }

    fn of(value: &impl Serialize) -> Option<Self> {
        let mut bytes = [0; SHORT];
        match postcard::to_slice(value, &mut bytes) {
            Ok(written) => {
                let len = written.len();
                Some(Self::Short { bytes, len })
            }
            Err(_) => postcard::to_stdvec(value).ok().map(Self::Long),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { bytes, len } => &bytes[..*len],
            Self::Long(bytes) => bytes,
        }
    }
}

impl<'a> Draft<'a> {
    /// The record of an item. `None`: it is too long for a record.
    #[inline]
    pub fn item(kind: Kind, meta: &Meta<'_>, data: &'a [u8]) -> Option<Self> {
        Self::new(kind, meta.front()?, data)
    }

    #[inline]
    fn new(kind: Kind, front: Front, data: &'a [u8]) -> Option<Self> {
        let head = format::Head::new(kind, front.bytes(), data)?;
        Some(Self { head, front, data })
    }

    /// How many bytes the record takes.
    pub const fn size(&self) -> u64 {
        format::size_of_record(self.head.length)
    }

    /// The payload, in two pieces.
    #[inline]
    pub fn payload(&self) -> [&[u8]; 2] {
        [self.front.bytes(), self.data]
    }
}

impl Draft<'static> {
    /// The record of a change. `None`: it is too long for a record.
    #[inline]
    pub fn change(change: &Change) -> Option<Self> {
        let (kind, front) = match change {
            Change::Popped { items, cursor } => (Kind::Popped, Front::fixed(&popped_fields(*items, cursor))),
            change => (Kind::Change, Front::of(change)?),
        };
        Self::new(kind, front, &[])
    }
}

/// How an item's payload begins: only with the time, or with all that there is to say of it.
const PLAIN: u64 = 0;
const FULL: u64 = 1;

/// How many bits the time has.
const AT: u32 = 56;

impl Meta<'_> {
    /// `None`: the id or the headers are too long.
    #[inline]
    fn front(&self) -> Option<Front> {
        let at = self.at.min((1 << AT) - 1);
        let is_plain = self.delay == 0 && self.number == 0 && self.id.is_empty() && self.headers.is_empty();
        if is_plain {
            return Some(Front::fixed(&(PLAIN << AT | at).to_le_bytes()));
        }
        let mut front = Vec::new();
        for number in [FULL << AT | at, self.delay, self.number] {
            front.extend(number.to_le_bytes());
        }
        for bytes in [self.id, self.headers] {
            front.extend(u32::try_from(bytes.len()).ok()?.to_le_bytes());
        }
        front.extend([self.id, self.headers].concat());
        Some(Front::Long(front))
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

/// How many bytes say that items were popped.
const POPPED: usize = 36;

#[inline]
fn popped_fields(items: u64, cursor: &Cursor) -> [u8; POPPED] {
    let mut fields = [0; POPPED];
    fields[..8].copy_from_slice(&items.to_le_bytes());
    fields[8..16].copy_from_slice(&cursor.place.segment.to_le_bytes());
    fields[16..24].copy_from_slice(&cursor.place.offset.to_le_bytes());
    fields[24..32].copy_from_slice(&cursor.number.to_le_bytes());
    fields[32..].copy_from_slice(&cursor.link.to_le_bytes());
    fields
}

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

    fn payload(draft: &Draft<'_>) -> Vec<u8> {
        draft.payload().concat()
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
            let draft = Draft::item(Kind::Item, &meta, &data).unwrap();
            let payload = payload(&draft);
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
        let draft = Draft::item(Kind::Item, &plain, b"own").unwrap();
        assert_eq!(payload(&draft), [1, 2, 3, 4, 5, 6, 7, 0, b'o', b'w', b'n']);
        let full = Meta { delay: 9, number: 10, id: b"id", headers: b"h", ..plain };
        let draft = Draft::item(Kind::Moved, &full, b"own").unwrap();
        let numbers = [[1, 2, 3, 4, 5, 6, 7, 1], 9_u64.to_le_bytes(), 10_u64.to_le_bytes(), [2, 0, 0, 0, 1, 0, 0, 0]];
        assert_eq!(payload(&draft), [&numbers.concat()[..], b"idhown"].concat());
        let cursor = Cursor { place: Place { segment: 2, offset: 3 }, number: 4, link: 5 };
        let draft = Draft::change(&Change::Popped { items: 1, cursor }).unwrap();
        assert_eq!(draft.head.kind, Kind::Popped);
        assert_eq!(payload(&draft), [[1, 2, 3, 4].map(u64::to_le_bytes).concat(), vec![5, 0, 0, 0]].concat());
        let variants = [
            (0, Change::Gone { numbers: vec![], how: How::Acked }),
            (6, Change::Synced { place: cursor.place, salt: 1 }),
            (8, Change::Snapshot(Box::default())),
            (9, Change::Opened { salt: 1 }),
        ];
        for (number, variant) in variants {
            let bytes = payload(&Draft::change(&variant).unwrap());
            assert_eq!((bytes[0], change(Kind::Change, &bytes)), (number, Some(variant)));
        }
    }
}
