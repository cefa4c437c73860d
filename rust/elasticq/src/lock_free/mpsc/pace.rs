//! `Pace`: keeps a fast consumer from treading on its producers' heels.
//!
//! Taking an item costs a fraction of adding one. So a consumer that does nothing else soon works on the very cache lines that
//! are just being written, and there each item costs both sides several times the work itself. Every so many items the
//! consumer therefore looks how far the producers are ahead. If that is little **and they are moving fast**, it lets
//! them go on for some microseconds, and then takes a stretch at full speed.
//!
//! Who takes items slower than they come is never near the tail, and who waits for slow producers sees at a glance that
//! the tail hardly moves: neither is held up for longer than that glance.

use std::hint::spin_loop;

/// A consumer fewer items behind than this is near, or than a quarter of the capacity where that is less.
const NEAR: u64 = 1024;
/// Queues smaller than this are left alone.
const LEAST_CAPACITY: u64 = 1024;
/// Items from one look to the next, at the least, and after one that found the producers resting.
const STRETCH: u64 = 64;
const REST: u64 = 4096;
/// How many pauses of the processor the first look takes, and how many items come meanwhile from producers that are fast.
const GLANCE: u32 = 32;
const FAST: u64 = 8;
/// How often it looks again while it stays behind, and how many pauses lie between. Each look costs the producers a cache
/// line, so they are few.
const LOOKS: u32 = 4;
const PAUSES: u32 = 128;

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
        let lead = lead(capacity as u64, ahead);
        self.look_at = taken + lead.map_or(REST, |lead| (lead / 2).max(STRETCH));
    }
}

/// The lead that the producers have now, having been let to gain some; none if they are to be left alone.
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
