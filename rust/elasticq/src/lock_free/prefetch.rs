//! Asking for the memory that a producer writes next.
//!
//! A producer writes slots that a consumer has read a lap before, so they are in the cache of the consumer's
//! processor. To get them from there takes many times as long as to write them, and the producer's next
//! claim, a locked instruction, waits for that. A processor sees by itself what is going to be read, but not
//! what is going to be written. So it is told, about once for each line of the cache. Other architectures than
//! x86-64 are told nothing, nor is this one with `--cfg portable`, which is there to test that.

/// The size of a line of the cache, where this does anything.
const LINE: usize = 64;
/// How many bytes before the producer gets there.
const AHEAD: usize = 4 * LINE;

/// How many things of this size fit into so many bytes; at least one.
const fn fit(bytes: usize, size: usize) -> usize {
    if size == 0 || size > bytes { 1 } else { bytes / size }
}

/// To be called by a producer that writes to the slot at `position`. Slots from `limit` on are left alone:
/// the consumer is about to read them. `slot` gives the address of a slot below.
#[inline(always)]
pub(super) fn slots_to_be_written<S>(position: u64, limit: u64, slot: impl FnOnce(u64) -> *const S) {
    if position.is_multiple_of(fit(LINE, size_of::<S>()) as u64) {
        let later = position.wrapping_add(fit(AHEAD, size_of::<S>()) as u64);
        if later < limit {
            for_writing(slot(later).cast());
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(portable), not(loom), not(miri)))]
#[inline(always)]
fn for_writing(place: *const u8) {
    // SAFETY: the instruction changes nothing but what is in the caches, whatever the address. (Processors of
    // this architecture that do not know it do nothing.)
    unsafe { std::arch::asm!("prefetchw [{}]", in(reg) place, options(nostack, preserves_flags, readonly)) };
}

#[cfg(not(all(target_arch = "x86_64", not(portable), not(loom), not(miri))))]
#[inline(always)]
const fn for_writing(_place: *const u8) {}
