//! Bytes that stand where records were lost. The records behind them are linked to records that nobody has
//! any more. But a checksum leaves as many bits free as it has: with four bytes of one's own it comes out as
//! it must. So what is behind stays as it is, and where it is.

use super::super::files::crc32c;
use super::super::format::{self, HEAD, Kind};
use super::super::records::{Change, Cursor, Snapshot};
use super::behind::LEAST;

/// The bytes of a record at `at` that says nothing and takes exactly `size` bytes. With `link` it gets that
/// link. The first record of all is a snapshot, of nothing; it has no bytes to spare, so with `link` it has
/// to be linked to something else, see [`format::link_before`]. `None`: so little room is not enough.
pub fn record(salt: u64, at: &mut Cursor, size: u64, is_first: bool, link: Option<u32>) -> Option<Vec<u8>> {
    let room = usize::try_from(size).ok()?.checked_sub(HEAD)?;
    let filled = |free: usize| {
        let filler = vec![0; free];
        let change = if is_first {
            let ids = if free > 0 { vec![filler] } else { Vec::new() };
            Change::Snapshot(Box::new(Snapshot { ids, ..Snapshot::default() }))
        } else {
            Change::Lost { filler }
        };
        postcard::to_stdvec(&change).ok()
    };
    // A shorter filler may need fewer bytes for its length; the padding takes them.
    let free = room.saturating_sub(filled(room)?.len() - room);
    let fits = |payload: &Vec<u8>| payload.len().next_multiple_of(8) == room && (is_first || free >= 4);
    let payload = filled(free).filter(fits)?;
    let (number, before) = (at.number, at.link);
    let mut record = Vec::new();
    format::add(&mut record, Kind::Change, [&payload])?;
    at.link = format::place(&mut record, number, false, salt, before);
    if let (Some(link), true) = (link, is_first) {
        record[20..HEAD].copy_from_slice(&link.to_le_bytes());
        at.link = link;
    } else if let Some(link) = link {
        let crc = format::payload_crc_for(salt, before, record.first_chunk()?, link);
        let free = payload.len() - 4;
        let four = format::four_bytes(crc32c(&payload[..free]), crc);
        record.clear();
        format::add(&mut record, Kind::Change, [&payload[..free], &four])?;
        at.link = format::place(&mut record, number, false, salt, before);
    }
    (at.place.offset, at.number) = (at.place.offset + size, number + 1);
    Some(record)
}

/// The bytes of as many records as are lost between two places of a segment, which they fill. `None`: so many
/// don't fit there.
pub fn fill(salt: u64, mut at: Cursor, next: Cursor, is_first: bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut is_first = is_first;
    while at.number < next.number {
        let left = next.place.offset.checked_sub(at.place.offset)?;
        let (size, link) = match next.number - at.number {
            1 => (left, Some(next.link)),
            _ if is_first => (FIRST, None),
            _ => (LEAST, None),
        };
        bytes.extend(record(salt, &mut at, size, is_first, link)?);
        is_first = false;
    }
    (at == next).then_some(bytes)
}

/// The least that a snapshot takes.
const FIRST: u64 = 40;

#[cfg(test)]
mod tests {
    use super::super::super::format::{Found, decode, size_of_record};
    use super::super::super::records::{self, Place};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_fill_any_room_and_lead_to_any_link(salt: u64, link: u32, wanted: u32, count in 1..5_u64, more in 0..40_u64, first: bool) {
            let least = LEAST * (count - 1) + if first { FIRST } else { LEAST };
            let place = Place { segment: 1, offset: 4096 };
            let at = Cursor { place, number: 7, link };
            let end = Place { offset: 4096 + least + 8 * more, ..place };
            let next = Cursor { place: end, number: 7 + count, link: wanted };
            let bytes = fill(salt, at, next, first).expect("there is room");
            let before = format::link_before(salt, bytes.first_chunk().unwrap());
            prop_assert!(before == link || first && count == 1);
            let (mut rest, mut link) = (&bytes[..], before);
            for number in 7..7 + count {
                let Found::Record { head, payload, link: found, size } = decode(rest, salt, link) else {
                    panic!("no record");
                };
                prop_assert_eq!((head.number, head.more), (number, false));
                let change = records::change(head.kind, payload).expect("it says something");
                prop_assert_eq!(matches!(change, Change::Snapshot(_)), first && number == 7);
                (rest, link) = (&rest[size..], found);
            }
            prop_assert_eq!((rest.len(), link), (0, wanted));
        }
    }

    #[test]
    fn what_does_not_fit_is_not_filled() {
        let at = Cursor { number: 1, ..Cursor::default() };
        let next = |offset, number| Cursor { place: Place { offset, ..at.place }, number, link: 5 };
        assert_eq!(fill(1, at, next(24, 2), false), None);
        assert_eq!(fill(1, at, next(32, 3), false), None);
        assert!(fill(1, at, next(32, 2), false).is_some());
        assert_eq!(size_of_record(1), LEAST);
    }
}
