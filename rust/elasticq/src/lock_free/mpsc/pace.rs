//! `Pace`: keeps a fast consumer at a distance from its producers.
//!
//! Taking an item costs a fraction of putting one in. So a consumer that does nothing else soon works on the
//! very cache lines that are just being written. There, each item costs both sides several times the work
//! itself. Therefore the consumer looks every so many items how far the producers are ahead. If they are
//! little ahead **and are moving fast**, the consumer lets them go on for some microseconds, and then takes a
//! stretch at full speed.
//!
//! A consumer that takes items more slowly than they come is never near the tail. A consumer that waits for
//! slow producers sees at a glance that the tail hardly moves. Neither is held up for longer than that
//! glance.

use std::hint::spin_loop;

/// A consumer is near if it is fewer items behind than this, or than a quarter of the capacity where that is
/// less.
const NEAR: u64 = 1024;
/// Queues smaller than this are left alone.
const LEAST_CAPACITY: u64 = 1024;
/// Items from one look to the next: at the least, and after a look that found the producers resting.
const STRETCH: u64 = 64;
const REST: u64 = 4096;
/// How many pauses of the processor the first look takes, and how many items fast producers put in meanwhile.
const GLANCE: u32 = 32;
const FAST: u64 = 8;
/// How often the consumer looks again while the lead stays small, and how many pauses lie between two looks.
/// Each look costs the producers a cache line, so the looks are few.
const LOOKS: u32 = 4;
const PAUSES: u32 = 128;

/// When the consumer looks next.
pub(super) struct Pace {
    /// The number of items taken at which it looks.
    pub(super) look_at: u64,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { look_at: STRETCH }
    }

    /// Looks how many items the producers are `ahead`, and lets them gain a lead if need be. `taken`: items
    /// ever taken.
    #[cold]
    pub(super) fn keep(&mut self, taken: u64, capacity: usize, ahead: impl Fn() -> u64) {
        let lead = lead(capacity as u64, ahead);
        self.look_at = taken + lead.map_or(REST, |lead| (lead / 2).max(STRETCH));
    }
}

/// The lead that the producers have now, after they were allowed to gain some; none if they are to be left
/// alone.
fn lead(capacity: u64, ahead: impl Fn() -> u64) -> Option<u64> {
    if capacity < LEAST_CAPACITY {
        return None;
    }
    let near = NEAR.min(capacity / 4);
    let mut lead = ahead();
    if lead < near {
        pause(GLANCE);
        let before = std::mem::replace(&mut lead, ahead());
        if lead < before + FAST {
            return None;
        }
    }
    for _ in 0..LOOKS {
        if lead >= near {
            break;
        }
        pause(PAUSES);
        let before = std::mem::replace(&mut lead, ahead());
        if lead == before {
            break;
        }
    }
    Some(lead)
}

fn pause(times: u32) {
    (0..times).for_each(|_| spin_loop());
}
