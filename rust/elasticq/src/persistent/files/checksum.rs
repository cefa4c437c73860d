//! CRC32C, the checksum of everything in the files.
//!
//! Most records are short, and there the crate's way to the processor's instruction takes several times as
//! long as the instruction itself. So they go there directly. The crate does the rest: it is the faster one
//! with many bytes, and knows all processors.

/// From so many bytes on the crate computes three parts of them side by side.
#[cfg(target_arch = "x86_64")]
const LONG: usize = 768;

/// The checksum of these bytes.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() < LONG && is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { short(bytes) };
    }
    crc32c::crc32c(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn short(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};
    let mut state = !0;
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        state = _mm_crc32_u64(u64::from(state), word) as u32; // the upper half is zero
    }
    let mut rest = words.remainder();
    if let Some((&half, after)) = rest.split_first_chunk() {
        state = _mm_crc32_u32(state, u32::from_le_bytes(half));
        rest = after;
    }
    for &byte in rest {
        state = _mm_crc32_u8(state, byte);
    }
    !state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_the_checksum_that_the_crate_computes() {
        let bytes: Vec<u8> = (0..1000_u32).map(|number| (number * 7 + number / 256) as u8).collect();
        for length in 0..bytes.len() {
            assert_eq!(crc32c(&bytes[..length]), crc32c::crc32c(&bytes[..length]), "{length} bytes");
        }
        // As RFC 3720 has it.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }
}
