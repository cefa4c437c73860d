//! `LoopTurns`: when a task that always finds what it wants gives its event loop a turn all the same.
//!
//! A task that never suspends keeps its event loop from all else: timeouts, connections, other tasks. If a
//! thread keeps a queue full, a task that takes would do so for as long as the thread likes. So every 64th
//! call of a queue looks at the clock before it does anything. If a millisecond has passed since a call last
//! gave way for this reason in this thread, the call gives way. It has taken and added nothing then, and goes
//! on in the next turn of the loop.
//!
//! The count only says when to look, so that looking costs next to nothing. Threads that count at the same
//! time may lose some calls. Going by the time keeps the turns rare if calls are quick: a turn costs as much
//! as twenty calls.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How many calls there are to one look at the clock.
const CALLS: u32 = 64;

/// How many calls a batch counts for: it takes longer, and so does what is done with it.
pub const BATCH: u32 = 8;

const INTERVAL: Duration = Duration::from_millis(1);

/// The counts of one queue.
#[derive(Default)]
pub struct LoopTurns {
    taking: Count,
    adding: Count,
}

/// On a cache line of its own. Otherwise each call that takes would slow the calls that only add, and the
/// other way round.
#[derive(Default)]
#[repr(align(64))]
struct Count(AtomicU32);

impl LoopTurns {
    /// Counts a call. Returns whether it should give way before it does anything.
    #[inline(always)]
    pub fn is_due(&self, takes: bool, calls: u32) -> bool {
        let Count(count) = if takes { &self.taking } else { &self.adding };
        let counted = count.load(Ordering::Relaxed) + calls;
        if counted < CALLS {
            count.store(counted, Ordering::Relaxed);
            return false;
        }
        count.store(0, Ordering::Relaxed);
        is_time()
    }
}

#[cold]
fn is_time() -> bool {
    thread_local! {
        static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let now = Instant::now();
    let is_time = LAST.get().is_none_or(|last| now.duration_since(last) >= INTERVAL);
    if is_time {
        LAST.set(Some(now));
    }
    is_time
}
