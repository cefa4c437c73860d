//! The cell: a word in the page of a segment's header. In the last segment it says up to where the items in
//! line were popped, as long as no record says so.
//!
//! ```text
//! word    the cursor's number, without its upper bits 40 | checksum of salt, base and these 24
//! ```
//!
//! To write a record for each pop would take twice the time: it has a head and two checksums, and fills the
//! log.
//!
//! **The base** is the last record that tells of items that were taken. Its link is in the checksum, so a
//! word counts only if that record is still the last one. A power cut may take the record and leave the word.
//! The record may have said that an item was leased, and that item stands before the place that the word
//! names.
//!
//! **Recovery** believes a word as far as the records go. If they end earlier, recovery puts the cell right
//! before a new record gets one of the numbers up to there. It also blanks a word that does not count: a
//! later record may get the link of the one that was lost.
//!
//! The word is written as a whole, so it is never half of two.

use super::files::crc32c;

const BITS: u32 = 40;
const MASK: u64 = (1 << BITS) - 1;

/// What a cell holds that says nothing.
pub const BLANK: u64 = 0;

/// The word that says that the next item in line has this number, or a higher one.
pub fn word(salt: u64, base: u32, number: u64) -> u64 {
    let number = number & MASK;
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&salt.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16..].copy_from_slice(&base.to_le_bytes());
    u64::from(crc32c(&bytes)) << BITS | number
}

/// The number that a word says, if its checksum is right and the number is higher than this one. The word has
/// only the lower bits. The upper bits are this number's: no log holds so many records that they could be
/// others.
pub fn beyond(found: u64, salt: u64, base: u32, number: u64) -> Option<u64> {
    let more = found.wrapping_sub(number) & MASK;
    (found == word(salt, base, found) && (1..=MASK / 2).contains(&more)).then(|| number.saturating_add(more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_says_what_it_was_made_of(salt: u64, base: u32, number in 0..u64::MAX / 2, more in 1..1_u64 << 39) {
            let found = word(salt, base, number + more);
            prop_assert_eq!(beyond(found, salt, base, number), Some(number + more));
            prop_assert_eq!(beyond(found, salt, base, number + more), None);
            prop_assert_eq!(beyond(found, salt, base, number + more + 1), None);
        }

        #[test]
        fn one_or_two_flipped_bits_say_nothing(salt: u64, base: u32, number in 1..u64::MAX / 2) {
            let right = word(salt, base, number);
            for (one, two) in (0..64).flat_map(|one| (0..64).map(move |two| (one, two))) {
                let wrong = right ^ (1 << one) ^ if one == two { 0 } else { 1 << two };
                prop_assert_eq!(beyond(wrong, salt, base, number.saturating_sub(1 << 38)), None);
            }
        }

        #[test]
        fn a_word_of_another_life_or_behind_another_record_says_nothing(salt: u64, base: u32, number in 1..u64::MAX / 2, bit in 0..32) {
            prop_assert_eq!(beyond(word(salt ^ (1_u64 << (2 * bit)), base, number), salt, base, number - 1), None);
            prop_assert_eq!(beyond(word(salt, base ^ (1_u32 << bit), number), salt, base, number - 1), None);
            prop_assert_eq!(beyond(BLANK, salt, base, number & !MASK), None);
        }
    }
}
