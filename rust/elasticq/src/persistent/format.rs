//! The bytes of a durable queue's files: the header of a segment, and the records in it. No file is touched
//! here, and no clock is read.
//!
//! ```text
//! segment   header: one page | record | record | ... | zeroes
//! header    magic 8 | version 4 | crc 4 | salt 8 | first 8 | size 8 | last 8 | link 4 | zeroes | cell 8 | zero 4 | free 4
//! record    length 4 | kind 1 | flags 1 | zero 2 | number 8 | payload's crc 4 | link 4 | payload | zeroes up to 8
//! ```
//!
//! All numbers are little-endian, and all checksums are CRC32C. That of the header leaves itself out, and the
//! cell, which changes (`cell`).
//!
//! **The chain.** A record's `link` is the checksum of the segment's salt, its own first 20 bytes and the
//! link of the record before it. So a record is valid only behind the very record that it was written behind.
//! An old record that stands where a new one of equal size was lost is not: a salt alone would let it come
//! back. The first record of a segment is linked to the segment's header, and the header to the end of the
//! segment before.
//!
//! **Batches.** All records of a batch but the last carry `MORE`, and all stand in one segment. A batch whose
//! last record is missing was never put in.
//!
//! Lengths that are read are checked against the bytes that are there before anything else is done with them.

use super::files::crc32c;
use std::fmt;

/// How many bytes the header takes: a page, so that records begin at a page of their own.
pub const HEADER: usize = 4096;

/// Where the cell is: in a sector of its own, so whatever becomes of it, the header stays.
pub const CELL: usize = HEADER - 16;

/// How many bytes a record takes besides its payload.
pub const HEAD: usize = 24;

const MAGIC: [u8; 8] = *b"elasticq";

/// The version of the format that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;

const MORE: u8 = 1;

/// What stands in front of a segment's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Drawn anew for each life of a file.
    pub salt: u64,
    /// The number of the segment's first record. It is in the file's name, and so is the salt.
    pub first: u64,
    /// How many bytes the segment may have, header included.
    pub size: u64,
    /// The end of the segment before.
    pub before: End,
    /// Means nothing, and is 0 unless the header was made to have a certain checksum.
    pub free: u32,
}

/// The end of a chain: the last record's number and link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    pub last: u64,
    pub link: u32,
}

/// Why a header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHeader {
    /// All zeroes: the file was prepared and never used.
    Blank,
    /// Another program's file.
    Foreign,
    /// Written by a later version of this crate.
    Newer(u32),
    /// The checksum is wrong.
    Damaged,
    /// The file is shorter than a header.
    Short,
    /// It is the header of the segment with this number.
    Other(u64),
}

impl fmt::Display for NoHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("the header is empty"),
            Self::Foreign => f.write_str("the file is not one of elasticq's"),
            Self::Newer(version) => write!(f, "the format has version {version}, which is newer than this one"),
            Self::Damaged => f.write_str("the header has another checksum"),
            Self::Short => f.write_str("the file is shorter than a header"),
            Self::Other(number) => write!(f, "the header is that of segment {number}"),
        }
    }
}

/// What a record is about; `records` says what its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A new item.
    Item = 1,
    /// An old item that was written again, so that the segment where it stood can go.
    Moved = 2,
    /// Anything else that has happened.
    Change = 3,
    /// Items in line were popped.
    Popped = 4,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Item),
            2 => Some(Self::Moved),
            3 => Some(Self::Change),
            4 => Some(Self::Popped),
            _ => None,
        }
    }
}

/// A record without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: Kind,
    /// Whether the next record belongs to the same batch.
    pub more: bool,
    /// Records are numbered one by one, over all segments. A record's number is its item's number, too.
    pub number: u64,
    pub length: u32,
    pub payload_crc: u32,
}

/// What stands at a place in a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Record {
        head: Head,
        payload: &'a [u8],
        /// The record's link, for the record behind it.
        link: u32,
        /// How many bytes the record takes in all.
        size: usize,
    },
    /// Zeroes: no record was written here.
    Nothing,
    /// Something that is no record in this chain.
    Broken(Why),
}

/// Why something is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The length goes beyond the segment.
    Length(u32),
    /// The link is that of another chain, or the first bytes are damaged.
    Link,
    /// The record is in the chain, and its payload is damaged.
    Payload,
    /// The record is in the chain, and this version does not know what it is.
    Kind(u8),
    /// The record is in the chain, and has another number than the one that follows.
    Number(u64),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "a record of {length} bytes, which goes beyond its segment"),
            Self::Link => f.write_str("a record that does not follow the one before it"),
            Self::Payload => f.write_str("a record whose payload has another checksum"),
            Self::Number(number) => write!(f, "a record with the number {number}, which does not follow"),
            Self::Kind(kind) => write!(f, "a record of the kind {kind}, which this version does not know"),
        }
    }
}

/// How many bytes a record with so long a payload takes.
#[must_use]
pub const fn size_of_record(payload: u32) -> u64 {
    HEAD as u64 + ((payload as u64 + 7) & !7)
}

/// How many bytes the record at the beginning of `bytes` says that it takes; too few bytes to tell say the
/// least.
#[must_use]
pub fn claimed_size(bytes: &[u8]) -> u64 {
    size_of_record(bytes.first_chunk().map_or(0, |&length| u32::from_le_bytes(length)))
}

impl Header {
    /// The bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.size.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.before.last.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.before.link.to_le_bytes());
        bytes[HEADER - 4..].copy_from_slice(&self.free.to_le_bytes());
        let crc = crc32c(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header that these bytes begin with.
    ///
    /// # Errors
    /// Why they don't begin with one.
    pub fn decode(bytes: &[u8]) -> Result<Self, NoHeader> {
        let Some(bytes) = bytes.first_chunk::<HEADER>() else { return Err(NoHeader::Short) };
        if bytes.iter().all(|&byte| byte == 0) {
            return Err(NoHeader::Blank);
        }
        if bytes[..8] != MAGIC {
            return Err(NoHeader::Foreign);
        }
        let is_right = |bytes| Self::checksum(bytes) == u32_at(bytes, 12);
        match u32_at(bytes, 8) {
            VERSION if is_right(bytes) => {}
            VERSION | 0 => return Err(NoHeader::Damaged),
            // A later version may compute the checksum in another way. But if it is right with this version,
            // the file is of this one, and the number is damaged.
            version => {
                let mut ours = *bytes;
                ours[8..12].copy_from_slice(&VERSION.to_le_bytes());
                return Err(if is_right(&ours) { NoHeader::Damaged } else { NoHeader::Newer(version) });
            }
        }
        Ok(Self {
            salt: u64_at(bytes, 16),
            first: u64_at(bytes, 24),
            size: u64_at(bytes, 32),
            before: End { last: u64_at(bytes, 40), link: u32_at(bytes, 48) },
            free: u32_at(bytes, HEADER - 4),
        })
    }

    /// The checksum that these bytes should have as a header.
    #[must_use]
    pub fn checksum(bytes: &[u8; HEADER]) -> u32 {
        let mut bytes = *bytes;
        bytes[12..16].fill(0);
        bytes[CELL..CELL + 8].fill(0);
        crc32c(&bytes)
    }

    /// What the first record is linked to.
    #[must_use]
    pub fn link(&self) -> u32 {
        u32_at(&self.encode(), 12)
    }

    /// The same header with such a checksum that a first record is linked to it which expects this link.
    #[must_use]
    pub fn with_link(self, link: u32) -> Self {
        let mut bytes = self.encode();
        bytes[12..16].fill(0);
        let front = crc32c(&bytes[..HEADER - 4]);
        Self { free: u32::from_le_bytes(four_bytes(front, link)), ..self }
    }
}

impl Head {
    /// What a head says, without a look at its link; `None` if the kind is unknown.
    #[must_use]
    pub fn decode(bytes: &[u8; HEAD]) -> Option<Self> {
        Some(Self {
            kind: Kind::of(bytes[4])?,
            more: bytes[5] & MORE != 0,
            number: u64_at(bytes, 8),
            length: u32_at(bytes, 0),
            payload_crc: u32_at(bytes, 16),
        })
    }
}

/// Adds a record with this payload, in pieces, to `bytes`; [`place`] completes it. The checksum of the
/// payload is computed here, outside of any lock. `None`: the payload is too long.
#[inline(always)]
pub fn add<const N: usize>(bytes: &mut Vec<u8>, kind: Kind, payload: [&[u8]; N]) -> Option<()> {
    let length = payload.iter().try_fold(0, |length: usize, piece| length.checked_add(piece.len()))?;
    let length = u32::try_from(length).ok()?;
    let begin = bytes.len();
    bytes.resize(begin + size_of_record(length) as usize, 0);
    let (head, rest) = bytes[begin..].split_first_chunk_mut::<HEAD>()?;
    let payload_crc = {
        let (whole, _) = rest.split_at_mut(length as usize);
        let mut left = &mut *whole;
        for piece in payload {
            let (place, after) = left.split_at_mut(piece.len());
            place.copy_from_slice(piece);
            left = after;
        }
        crc32c(whole)
    };
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4] = kind as u8;
    head[16..20].copy_from_slice(&payload_crc.to_le_bytes());
    Some(())
}

/// Gives the record at the beginning of `bytes` its place: a number, behind the record with the link
/// `before`. `more`: the next record belongs to the same batch. Returns the record's link.
#[inline(always)]
pub fn place(bytes: &mut [u8], number: u64, more: bool, salt: u64, before: u32) -> u32 {
    let head = bytes.first_chunk_mut().expect("a record has a head");
    head[5] = if more { MORE } else { 0 };
    head[8..16].copy_from_slice(&number.to_le_bytes());
    let link = link(salt, before, head);
    head[20..].copy_from_slice(&link.to_le_bytes());
    link
}

/// What stands at the beginning of `bytes`, behind the record with the link `before`. If the record is longer
/// than `bytes`, it goes beyond its segment.
#[must_use]
#[inline(always)]
pub fn decode(bytes: &[u8], salt: u64, before: u32) -> Found<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        // Too little for a record. Zeroes, as everywhere behind the last one.
        return if bytes.iter().all(|&byte| byte == 0) { Found::Nothing } else { Found::Broken(Why::Link) };
    };
    if *head == [0; HEAD] {
        return Found::Nothing;
    }
    let length = u32_at(head, 0);
    let link = link(salt, before, head);
    if link != u32_at(head, 20) {
        return Found::Broken(Why::Link);
    }
    let size = size_of_record(length);
    if size > bytes.len() as u64 {
        return Found::Broken(Why::Length(length));
    }
    let payload = &rest[..length as usize];
    if crc32c(payload) != u32_at(head, 16) {
        return Found::Broken(Why::Payload);
    }
    let Some(decoded) = Head::decode(head) else { return Found::Broken(Why::Kind(head[4])) };
    Found::Record { head: decoded, payload, link, size: size as usize }
}

/// The link of the record that has this head, behind the record with the link `before`.
#[must_use]
#[inline]
pub fn link(salt: u64, before: u32, head: &[u8; HEAD]) -> u32 {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&salt.to_le_bytes());
    bytes[8..28].copy_from_slice(&head[..20]);
    bytes[28..].copy_from_slice(&before.to_le_bytes());
    crc32c(&bytes)
}

/// The link that the record before must have, if this head is right: a checksum can be computed backwards.
#[must_use]
pub fn link_before(salt: u64, head: &[u8; HEAD]) -> u32 {
    let front = [&salt.to_le_bytes()[..], &head[..20]].concat();
    u32::from_le_bytes(four_bytes(crc32c(&front), u32_at(head, 20)))
}

/// The checksum that the payload must have for the record with this head to get the link `wanted`.
#[must_use]
pub fn payload_crc_for(salt: u64, before: u32, head: &[u8; HEAD], wanted: u32) -> u32 {
    let front = [&salt.to_le_bytes()[..], &head[..16]].concat();
    let state = rewind(!wanted, &before.to_le_bytes());
    u32::from_le_bytes(four_bytes(crc32c(&front), !state))
}

/// The four bytes that give what has the checksum `crc` the checksum `wanted`, when they stand behind it.
#[must_use]
pub fn four_bytes(crc: u32, wanted: u32) -> [u8; 4] {
    (rewind(!wanted, &[0; 4]) ^ !crc).to_le_bytes()
}

/// The state of a CRC32C before it took these bytes.
fn rewind(mut state: u32, bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    for &byte in bytes.iter().rev() {
        for _ in 0..8 {
            // The polynomial's highest bit is set, so this bit tells whether it was added.
            let was_added = state >> 31 == 1;
            state = if was_added { ((state ^ POLYNOMIAL) << 1) | 1 } else { state << 1 };
        }
        state ^= u32::from(byte);
    }
    state
}

/// The number in these bytes. The place is one that the format has, so the bytes are there.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The same for a longer one.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SALT: u64 = 0x0123_4567_89ab_cdef;

    fn written(payloads: &[Vec<u8>], salt: u64, mut before: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, payload) in payloads.iter().enumerate() {
            let begin = bytes.len();
            add(&mut bytes, Kind::Item, [payload]).unwrap();
            before = place(&mut bytes[begin..], number as u64, false, salt, before);
        }
        bytes
    }

    /// The payloads of the valid records at the front, and what is behind them.
    fn read(mut bytes: &[u8], salt: u64, mut before: u32) -> (Vec<Vec<u8>>, Option<Why>) {
        let mut payloads = Vec::new();
        loop {
            match decode(bytes, salt, before) {
                Found::Record { payload, link, size, .. } => {
                    payloads.push(payload.to_vec());
                    (bytes, before) = (&bytes[size..], link);
                }
                Found::Nothing => return (payloads, None),
                Found::Broken(why) => return (payloads, Some(why)),
            }
        }
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payloads in payloads(), before: u32, room in 0_usize..64) {
            let mut bytes = written(&payloads, SALT, before);
            bytes.resize(bytes.len() + room, 0);
            prop_assert_eq!(read(&bytes, SALT, before), (payloads, None));
        }

        #[test]
        fn wherever_it_is_cut_off_the_records_before_are_read_and_no_other(payloads in payloads(), cut: prop::sample::Index) {
            let bytes = written(&payloads, SALT, 1);
            let cut = cut.index(bytes.len() + 1);
            let (found, _) = read(&bytes[..cut], SALT, 1);
            prop_assert_eq!(&payloads[..found.len()], &found[..]);
            prop_assert!(written(&payloads[..found.len()], SALT, 1).len() <= cut);
        }

        #[test]
        fn a_flipped_bit_ends_what_is_read_and_changes_nothing(payloads in payloads(), at: prop::sample::Index, bit in 0..8_u8) {
            let mut bytes = written(&payloads, SALT, 1);
            prop_assume!(!bytes.is_empty());
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let (found, _) = read(&bytes, SALT, 1);
            prop_assert_eq!(&payloads[..found.len()], &found[..]);
        }

        #[test]
        fn bytes_that_nobody_wrote_are_no_record_and_no_header(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if bytes.iter().any(|&byte| byte != 0) {
                prop_assert_eq!(read(&bytes, SALT, 1).0.len(), 0);
            }
            prop_assert!(Header::decode(&bytes).is_err());
        }

        #[test]
        fn the_link_before_a_record_follows_from_the_record(salt: u64, before: u32, payload in prop::collection::vec(any::<u8>(), 0..40)) {
            let bytes = written(&[payload], salt, before);
            prop_assert_eq!(link_before(salt, bytes.first_chunk().unwrap()), before);
        }

        #[test]
        fn a_header_can_have_any_link(salt: u64, first: u64, wanted: u32) {
            let header = Header { salt, first, size: 8192, before: End::default(), free: 0 };
            let made = header.with_link(wanted);
            prop_assert_eq!(made.link(), wanted);
            prop_assert_eq!(Header::decode(&made.encode()), Ok(made));
            prop_assert_eq!(Header { free: 0, ..made }, header);
        }

        #[test]
        fn a_header_is_read_as_it_was_written(salt: u64, first: u64, size: u64, last: u64, link: u32, free: u32, at in 0..HEADER, bit in 0..8_u8) {
            let header = Header { salt, first, size, before: End { last, link }, free };
            let mut bytes = header.encode();
            prop_assert_eq!(Header::decode(&bytes), Ok(header));
            bytes[at] ^= 1 << bit;
            let is_cell = (CELL..CELL + 8).contains(&at);
            prop_assert_eq!(Header::decode(&bytes).is_ok(), is_cell);
        }
    }

    /// A page in the middle is lost, a new record of equal size is written there, and behind it stand the old
    /// ones.
    #[test]
    fn what_stands_behind_a_record_that_was_written_again_does_not_come_back() {
        let old = [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
        let mut bytes = written(&old, SALT, 1);
        let new = written(&[b"one".to_vec(), b"new".to_vec()], SALT, 1);
        bytes[..new.len()].copy_from_slice(&new);
        assert_eq!(read(&bytes, SALT, 1), (vec![b"one".to_vec(), b"new".to_vec()], Some(Why::Link)));
    }

    #[test]
    fn a_record_of_another_life_of_the_file_is_none() {
        let bytes = written(&[b"old".to_vec()], SALT, 1);
        assert_eq!(read(&bytes, SALT + 1, 1), (vec![], Some(Why::Link)));
        assert_eq!(read(&bytes, SALT, 2), (vec![], Some(Why::Link)));
    }

    #[test]
    fn a_length_beyond_the_segment_is_refused_before_anything_is_done_with_it() {
        let mut bytes = Vec::new();
        add(&mut bytes, Kind::Item, []).unwrap();
        bytes[..4].fill(0xff);
        place(&mut bytes, 1, false, SALT, 1);
        assert_eq!(read(&bytes, SALT, 1), (vec![], Some(Why::Length(u32::MAX))));
    }

    #[test]
    fn headers_of_other_files_are_told_apart() {
        assert_eq!(Header::decode(&[0; HEADER]), Err(NoHeader::Blank));
        assert_eq!(Header::decode(&[1; HEADER]), Err(NoHeader::Foreign));
        assert_eq!(Header::decode(&[0; HEADER - 1]), Err(NoHeader::Short));
        let mut newer = Header { salt: 1, first: 2, size: 3, before: End::default(), free: 0 }.encode();
        newer[8] = 2;
        assert_eq!(Header::decode(&newer), Err(NoHeader::Damaged), "all else is right for this version");
        let crc = Header::checksum(&newer);
        newer[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::decode(&newer), Err(NoHeader::Newer(2)));
        newer[12] ^= 1;
        assert_eq!(Header::decode(&newer), Err(NoHeader::Newer(2)), "its checksum may be another one");
    }
}
