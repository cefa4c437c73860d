//! CRC32C, the checksum of everything in the files.
//!
//! Most records are short, and there the crate's way to the processor's instruction takes several times as long
//! as the instruction itself. So short pieces go there directly. The crate does the rest: it is the faster one
//! with long pieces, and knows all processors.

/// From here on the crate computes three parts of a piece side by side.
#[cfg(target_arch = "x86_64")]
const LONG: usize = 768;

/// The checksum of these pieces, one after the other.
#[inline]
pub fn crc32c(pieces: &[&[u8]]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if pieces.iter().all(|piece| piece.len() < LONG) && is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { short(pieces) };
    }
    pieces.iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn short(pieces: &[&[u8]]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};
    let mut state = !0;
    for piece in pieces {
        let mut words = piece.chunks_exact(8);
        for word in words.by_ref() {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            state = _mm_crc32_u64(u64::from(state), word) as u32; // the upper half is zero
        }
        for &byte in words.remainder() {
            state = _mm_crc32_u8(state, byte);
        }
    }
    !state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_the_checksum_that_the_crate_computes_whole_or_in_two_pieces() {
        let bytes: Vec<u8> = (0..1000_u32).map(|number| (number * 7 + number / 256) as u8).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            let right = crc32c::crc32c(bytes);
            assert_eq!(crc32c(&[bytes]), right, "{length} bytes");
            let (front, rest) = bytes.split_at(length / 3);
            assert_eq!(crc32c(&[front, rest]), right, "{length} bytes in two pieces");
        }
        // As RFC 3720 has it.
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
    }
}
