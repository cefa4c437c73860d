//! What a thread does that finds a full queue or an empty one. Programs do it in two ways, and queues differ
//! by which: so each shape is measured in both.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How a thread waits for room or for an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// It looks a few times, and from then on lets another thread run before each look.
    #[default]
    Yielding,
    /// It looks again and again, and lets another thread run only now and then.
    Spinning,
}

impl Waiting {
    /// Both ways.
    pub const ALL: [Self; 2] = [Self::Yielding, Self::Spinning];

    /// What is added to the name of a case: nothing for the way that is meant where none is named.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Yielding => "",
            Self::Spinning => ", spinning",
        }
    }
}

/// How often a thread looks again before it lets another thread run.
const SPINS: u32 = 64;
/// A sample that takes this long is given up; what has not arrived counts as wrong.
const LONGEST: Duration = Duration::from_secs(60);

/// Waits in one of the ways, and after a very long time gives up.
#[derive(Debug)]
pub struct Patience<'a> {
    waiting: Waiting,
    tries: u32,
    started: Instant,
    given_up: &'a AtomicBool,
}

impl<'a> Patience<'a> {
    /// Waiting that has not begun. The thread `started` at this time; the flag is for all of a sample.
    #[must_use]
    pub fn new(waiting: Waiting, started: Instant, given_up: &'a AtomicBool) -> Self {
        Self { waiting, tries: 0, started, given_up }
    }

    /// To be called when there was room, or an item.
    #[inline]
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// Lets a moment pass. Returns `false` if there is no sense in trying on.
    #[inline]
    pub fn wait(&mut self) -> bool {
        self.tries += 1;
        let spins = match self.waiting {
            Waiting::Yielding => self.tries <= SPINS,
            Waiting::Spinning => !self.tries.is_multiple_of(SPINS),
        };
        if spins {
            spin_loop();
            return true;
        }
        thread::yield_now();
        if self.tries.is_multiple_of(1_024) && self.started.elapsed() > LONGEST {
            self.given_up.store(true, Ordering::Relaxed);
        }
        !self.given_up.load(Ordering::Relaxed)
    }
}
