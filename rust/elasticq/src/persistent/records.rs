//! What the payloads of records say: [`Meta`] in front of an item's own bytes, and [`Change`] for all else.
//!
//! Both are written with postcard, a compact format in which numbers take as many bytes as they need. A later
//! version may add kinds of changes at the end; this one then refuses the queue, since it can't know what
//! they mean.

use super::format::{self, Kind};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta<'a> {
    /// When it was put in, in milliseconds since 1970.
    pub at: u64,
    /// For how many milliseconds from then on it can't be taken.
    pub delay: u64,
    /// The number that it was given first, if it was written again since then; otherwise 0.
    pub number: u64,
    /// What the producer named it, so that the same item is not put in twice; empty if it has no name.
    #[serde(borrow)]
    pub id: &'a [u8],
    /// What the producer has added to it.
    #[serde(borrow)]
    pub headers: &'a [u8],
}

/// What happened, if not that an item was put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// So many items were popped in line, and the cursor has come this far.
    Popped { items: u64, cursor: Cursor },
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
    /// A record was lost here, and a repair has put this in its place. The bytes only take its room, and make the
    /// link come out to which the next record is linked.
    Lost { filler: Vec<u8> },
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
    /// The payload: what postcard has written, and an item's own bytes.
    front: Front,
    data: &'a [u8],
}

#[derive(Debug)]
enum Front {
    Short { bytes: [u8; SHORT], len: usize },
    Long(Vec<u8>),
}

const SHORT: usize = 64;

impl Front {
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

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { bytes, len } => &bytes[..*len],
            Self::Long(bytes) => bytes,
        }
    }
}

impl<'a> Draft<'a> {
    /// The record of an item. `None`: it is too long for a record.
    pub fn item(kind: Kind, meta: &Meta<'_>, data: &'a [u8]) -> Option<Self> {
        Self::new(kind, Front::of(meta)?, data)
    }

    fn new(kind: Kind, front: Front, data: &'a [u8]) -> Option<Self> {
        let head = format::Head::new(kind, front.bytes(), data)?;
        Some(Self { head, front, data })
    }

    /// How many bytes the record takes.
    pub const fn size(&self) -> u64 {
        (format::HEAD + (self.head.length as usize).next_multiple_of(8)) as u64
    }

    /// The payload, in two pieces.
    pub fn payload(&self) -> [&[u8]; 2] {
        [self.front.bytes(), self.data]
    }
}

impl Draft<'static> {
    /// The record of a change. `None`: it is too long for a record.
    pub fn change(change: &Change) -> Option<Self> {
        Self::new(Kind::Change, Front::of(change)?, &[])
    }
}

/// What is known of an item, and the item's own bytes. `None`: these bytes say nothing.
#[inline]
pub fn item(payload: &[u8]) -> Option<(Meta<'_>, &[u8])> {
    postcard::take_from_bytes(payload).ok()
}

/// The change that a payload tells of. `None`: this version does not know it.
pub fn change(payload: &[u8]) -> Option<Change> {
    match postcard::take_from_bytes(payload) {
        Ok((change, [])) => Some(change),
        _ => None,
    }
}

/// Whether a payload says something to this version.
pub fn is_understood(kind: Kind, payload: &[u8]) -> bool {
    match kind {
        Kind::Item | Kind::Moved => item(payload).is_some(),
        Kind::Change => change(payload).is_some(),
    }
}

/// The place that a mark names: a [`Change::Synced`] or [`Change::Closed`] with this salt.
pub fn mark(payload: &[u8], salt: u64) -> Option<Place> {
    const LONGEST: usize = 1 + 3 * 10;
    match (payload.len() <= LONGEST).then(|| change(payload))?? {
        Change::Synced { place, salt: found } | Change::Closed { place, salt: found } => {
            (found == salt).then_some(place)
        }
        _ => None,
    }
}
