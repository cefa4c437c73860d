//! A barrier of two unequal halves, for "write one word, then look at another" between a side that does it at every
//! operation and a side that does it rarely.
//!
//! ```text
//! often:  write a; often(); look at b        rarely: write b; rarely(); look at a
//! ```
//!
//! At least one of the two sees what the other wrote, as with a sequentially consistent fence on either side. But where
//! the system can make every running thread of the process pass a full barrier (Linux: `membarrier`), `often` costs no
//! instruction: `rarely` executes the other threads' fences for them. Elsewhere both are fences.

pub(crate) use system::{often, rarely};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use rustix::thread::{MembarrierCommand, membarrier};
    use std::sync::atomic::{Ordering, compiler_fence, fence};
    use std::thread;
    use std::time::Duration;

    /// Much longer than a store takes to reach the other processors.
    const SETTLED: Duration = Duration::from_millis(1);

    /// Keeps only the compiler from changing the order.
    #[inline(always)]
    pub(crate) fn often() {
        compiler_fence(Ordering::SeqCst);
    }

    /// Costs a system call, and interrupts the processors that run threads of this process.
    #[cold]
    pub(crate) fn rarely() {
        let barrier = || membarrier(MembarrierCommand::PrivateExpedited).is_ok();
        // The first call of a process fails, since it has to register.
        if !barrier() {
            let registered = membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok();
            if !(registered && barrier()) {
                // Linux before 4.14, or a sandbox that forbids the call: what the others have written arrives by itself.
                fence(Ordering::SeqCst);
                thread::sleep(SETTLED);
                fence(Ordering::SeqCst);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use crossbeam_utils::Backoff;
        use std::sync::atomic::{AtomicUsize, Ordering};
        use std::thread;

        const ROUNDS: usize = 20_000;

        /// In each round writes one's own word, passes the barrier and looks at the other's; what was seen there.
        fn rounds(mine: &AtomicUsize, other: &AtomicUsize, barrier: fn()) -> Vec<usize> {
            let round = |number: usize| {
                let backoff = Backoff::new();
                while other.load(Ordering::Acquire) + 1 < number {
                    backoff.snooze();
                }
                mine.store(number, Ordering::Relaxed);
                barrier();
                other.load(Ordering::Relaxed)
            };
            (1..=ROUNDS).map(round).collect()
        }

        #[test]
        fn one_of_two_sees_the_other() {
            let (a, b) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let (often, rarely) = thread::scope(|scope| {
                let often = scope.spawn(|| rounds(&a, &b, super::often));
                let rarely = rounds(&b, &a, super::rarely);
                (often.join().unwrap(), rarely)
            });
            let missed = (1..=ROUNDS).filter(|&number| often[number - 1] < number && rarely[number - 1] < number);
            assert_eq!(missed.count(), 0);
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use std::sync::atomic::{Ordering, fence};

    #[inline(always)]
    pub(crate) fn often() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn rarely() {
        fence(Ordering::SeqCst);
    }
}
