//! A barrier of two unequal halves, for two sides that each write one word and then look at another. One side
//! does so at every operation, the other does so rarely.
//!
//! ```text
//! often:  write a; often(); look at b        rarely: write b; rarely(); look at a
//! ```
//!
//! At least one of the two sides sees what the other wrote, as with a sequentially consistent fence on either
//! side. But where the system can make every running thread of the process pass a full barrier (Linux:
//! `membarrier`), `often` costs no instruction: `rarely` executes the other threads' fences for them.
//! Elsewhere both halves are fences.
//!
//! A Linux that refuses `membarrier` is rare. So that case is tested with `--cfg without_membarrier`, which
//! never asks for it. The fences of other systems are tested with `--cfg portable`, on any system.

pub(crate) use system::{often, rarely};

#[cfg(all(any(target_os = "linux", target_os = "android"), not(portable)))]
mod system {
    use rustix::thread::{MembarrierCommand, membarrier};
    use std::sync::atomic::{Ordering, compiler_fence, fence};
    use std::thread;
    use std::time::Duration;

    /// Much longer than a store takes to reach the other processors.
    const SETTLED: Duration = Duration::from_millis(1);

    /// Keeps the compiler, and nothing else, from changing the order.
    #[inline(always)]
    pub(crate) fn often() {
        compiler_fence(Ordering::SeqCst);
    }

    /// Costs a system call, and interrupts the processors that run threads of this process.
    #[cold]
    pub(crate) fn rarely() {
        if cfg!(without_membarrier) || !interrupt_all() {
            outwait_all();
        }
    }

    /// Makes every running thread of the process pass a barrier; tells whether the system did it.
    fn interrupt_all() -> bool {
        let barrier = || membarrier(MembarrierCommand::PrivateExpedited).is_ok();
        // The first call of a process fails, since the process has to register.
        barrier() || (membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok() && barrier())
    }

    /// For Linux before 4.14, or a sandbox that forbids the call: waits until what other threads have written
    /// has arrived by itself.
    pub(super) fn outwait_all() {
        fence(Ordering::SeqCst);
        thread::sleep(SETTLED);
        fence(Ordering::SeqCst);
    }
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(portable))))]
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

#[cfg(test)]
mod tests {
    use super::system;
    use crossbeam_utils::Backoff;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    /// In each round, writes its own word, passes the barrier and looks at the other side's word. Returns
    /// what it saw there.
    fn rounds(count: usize, mine: &AtomicUsize, other: &AtomicUsize, barrier: fn()) -> Vec<usize> {
        let round = |number: usize| {
            let backoff = Backoff::new();
            while other.load(Ordering::Acquire) + 1 < number {
                backoff.snooze();
            }
            mine.store(number, Ordering::Relaxed);
            barrier();
            other.load(Ordering::Relaxed)
        };
        (1..=count).map(round).collect()
    }

    /// In how many rounds neither side saw the other.
    fn missed(count: usize, rarely: fn()) -> usize {
        let (a, b) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (often, rarely) = thread::scope(|scope| {
            let often = scope.spawn(|| rounds(count, &a, &b, system::often));
            let rarely = rounds(count, &b, &a, rarely);
            (often.join().unwrap(), rarely)
        });
        (1..=count).filter(|&number| often[number - 1] < number && rarely[number - 1] < number).count()
    }

    #[test]
    fn one_of_two_sees_the_other() {
        assert_eq!(missed(100_000, system::rarely), 0);
    }

    #[test]
    #[cfg(all(any(target_os = "linux", target_os = "android"), not(portable)))]
    fn one_of_two_sees_the_other_where_the_system_refuses() {
        assert_eq!(missed(1000, system::outwait_all), 0);
    }
}
