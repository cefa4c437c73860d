//! Counts the bytes of the whole process, for tests that check whether memory was given back.

use cap::Cap;
use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
pub static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What the test harness may allocate in the meantime, and the headers that a queue keeps for reuse. A byte
/// lost in every hundredth operation would be more than this.
pub const NOISE: usize = 64 << 10;

/// The tests of a file that counts run one at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
