//! Where reading can go on behind something that is no record.
//!
//! A record is believed only if it is known to be of this segment, and of this life of the file. An item may
//! contain anything, a copy of records included, and behind the end of a file there may be what was left of
//! an older life. So one of these must hold. The salt and the links make that certain, but for a chance of
//! 2⁻³²:
//!
//! - it is linked to the broken one, whose link is known by its head;
//! - the record behind it is linked to it;
//! - it is the record at which the next segment says that this one ends;
//! - it is a mark, which contains the salt.

use super::super::files::crc32c;
use super::super::format::{self, End, HEAD, Head, Kind};
use super::super::records::{self, Cursor, Place};
use super::super::segment::Reader;
use crate::error::BufferResult;

/// The least that a record takes: its head, and a payload that is not empty.
pub const LEAST: u64 = HEAD as u64 + 8;

/// What is known of the records that are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Whether this is the beginning of a segment without a header, so that nothing is known of the first
    /// link.
    pub begins: bool,
    /// The record of this number is linked to one of these.
    pub follows: (u64, [u32; 2]),
    /// All numbers are below this one.
    pub before: u64,
    /// The record at which the segment ends, if that is known.
    pub last: Option<End>,
    /// From here on only a link to the broken record counts: there may be records of another run, which were
    /// given up.
    pub until: u64,
}

/// The first record from the reader's place on that is known to be one of this segment; `None` if there is
/// none.
pub fn find(reader: &mut Reader, bounds: &Bounds) -> BufferResult<Option<Cursor>> {
    let (start, end) = (reader.cursor, reader.segment.end());
    let mut at = start.place.offset;
    while at + HEAD as u64 <= end {
        if let Some(found) = judge(reader, bounds, &start, at)? {
            return Ok(Some(found));
        }
        at += 8;
    }
    Ok(None)
}

fn judge(reader: &mut Reader, bounds: &Bounds, start: &Cursor, at: u64) -> BufferResult<Option<Cursor>> {
    let (salt, left) = (reader.segment.header.salt, reader.segment.end() - at);
    let Some((bytes, head)) = head_at(reader, at)? else { return Ok(None) };
    let skipped = at - start.place.offset;
    let least = start.number.saturating_add(u64::from(skipped > 0));
    let size = format::size_of_record(head.length);
    if head.number < least
        || head.number - start.number > skipped / LEAST
        || head.number >= bounds.before
        || size > left
    {
        return Ok(None);
    }
    let link = format::u32_at(&bytes, 20);
    let found = Cursor {
        place: Place { offset: at, ..start.place },
        number: head.number,
        link: format::link_before(salt, &bytes),
    };
    if head.number == bounds.follows.0 && bounds.follows.1.contains(&found.link) {
        return Ok(Some(found));
    }
    // What is linked to the last good record was looked at before this search.
    if at > bounds.until || skipped == 0 && !bounds.begins {
        return Ok(None);
    }
    let payload = &reader.look(at, size as usize)?[HEAD..][..head.length as usize];
    if crc32c(payload) != head.payload_crc || !is_plausible(head.kind, payload) {
        return Ok(None);
    }
    let is_known = bounds.last == Some(End { last: head.number, link })
        || records::mark(payload, salt).is_some()
        || match head_at(reader, at + size)? {
            Some((next, head)) => {
                format::link_before(salt, &next) == link && found.number.checked_add(1) == Some(head.number)
            }
            None => false,
        };
    Ok(is_known.then_some(found))
}

/// Whether the payload is that of a record of this kind. Nothing else tells the kind, if the link is not
/// known.
fn is_plausible(kind: Kind, payload: &[u8]) -> bool {
    match kind {
        Kind::Item => records::item(payload).is_some_and(|(meta, _)| meta.number == 0),
        Kind::Moved => records::item(payload).is_some_and(|(meta, _)| meta.number > 0),
        Kind::Change | Kind::Popped => records::change(kind, payload).is_some(),
    }
}

/// The head at this offset, if its bytes are those of one.
fn head_at(reader: &mut Reader, at: u64) -> BufferResult<Option<([u8; HEAD], Head)>> {
    if at.saturating_add(HEAD as u64) > reader.segment.end() {
        return Ok(None);
    }
    let Some(&bytes) = reader.look(at, HEAD)?.first_chunk::<HEAD>() else { return Ok(None) };
    let is_plain = bytes[5] <= 1 && bytes[6..8] == [0; 2];
    Ok(Head::decode(&bytes).filter(|_| is_plain).map(|head| (bytes, head)))
}
