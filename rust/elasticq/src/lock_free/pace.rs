//! `Pace`: keeps a fast consumer from treading on its producers' heels.
//!
//! Taking an item costs a fraction of adding one. So a consumer that does nothing else soon works on the very cache lines that
//! are just being written, and there each item costs both sides several times the work itself. Every so many items the
//! consumer therefore looks how far the producers are ahead. If that is little **and they are moving fast**, it lets
//! them go on for some microseconds, and then takes a stretch at full speed.
//!
//! Who takes items slower than they come is never near the tail, and who waits for slow producers finds that the tail
//! stands still: neither is held up but for the first short look.

use std::hint::spin_loop;

/// A consumer fewer items behind than this is near.
const NEAR: u64 = 256;
/// Queues smaller than this are left alone.
const LEAST_CAPACITY: usize = 4 * NEAR as usize;
/// Items from one look to the next, at the least, and after one that found the producers resting.
const STRETCH: u64 = 64;
const REST: u64 = 4096;
/// How often it looks again while it stays behind, and how many pauses of the processor lie between.
const LOOKS: u32 = 8;
const PAUSES: u32 = 64;

/// When the consumer looks next.
pub(super) struct Pace {
    /// The number of items taken at which it is time.
    pub(super) look_at: u64,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { look_at: STRETCH }
    }

    /// Looks at how many items the producers are `ahead`, and lets them gain a lead if need be. `taken`: items ever taken.
    #[cold]
    pub(super) fn keep(&mut self, taken: u64, capacity: usize, ahead: impl Fn() -> u64) {
        if capacity < LEAST_CAPACITY {
            self.look_at = taken + REST;
            return;
        }
        let mut lead = ahead();
        for look in 0..LOOKS {
            if lead >= NEAR {
                break;
            }
            (0..PAUSES).for_each(|_| spin_loop());
            let now = ahead();
            if now == lead {
                if look == 0 {
                    self.look_at = taken + REST;
                    return;
                }
                break;
            }
            lead = now;
        }
        self.look_at = taken + (lead / 2).max(STRETCH);
    }
}
