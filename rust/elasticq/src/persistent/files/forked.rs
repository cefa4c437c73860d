//! What a forked child must not keep: the lock of a queue belongs to the parent. (Where nothing forks, open
//! files are not passed on either.)
//!
//! A lock of `flock` ends when the last descriptor of the open file is closed. A child has a copy of the
//! descriptor. So a queue whose owner has died would stay locked for as long as any child of it lives, also
//! one that knows nothing of the queue. Here the child exchanges its copies for harmless ones, first thing
//! after the fork. It never unlocks: that would end the parent's lock.
//!
//! A child that is about to run another program (`posix_spawn`) gets no such chance, and keeps its copy until
//! the other program begins. So the owner unlocks before it closes: the next opener need not wait for that
//! child.

use rustix::fs::{FlockOperation, flock, ftruncate};
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A descriptor of a locked file. Forked children lose it.
#[derive(Debug)]
pub struct Inherited {
    descriptor: OwnedFd,
    /// The process that has locked the file.
    owner: u32,
}

/// The descriptors of this kind.
///
/// A fork locks the list before it begins, and the child's list is changed only after the parent's guard was
/// made up again there; so the child never finds it half changed.
static DESCRIPTORS: RawList = RawList { lock: Spin(AtomicBool::new(false)), list: UnsafeCell::new(Vec::new()) };

/// A lock that is held for a few steps. Unlike the usual ones it may be given back in the child: nobody
/// sleeps at it, so there is nobody to wake.
struct Spin(AtomicBool);

impl Spin {
    fn lock(&self) {
        while self.0.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            spin_loop();
        }
    }

    /// # Safety
    /// The caller's thread, or the thread of which it is the copy, has locked it.
    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

struct RawList {
    lock: Spin,
    list: UnsafeCell<Vec<RawFd>>,
}

// SAFETY: the list is touched only while the lock is held.
unsafe impl Sync for RawList {}

/// How many forks lie between this process and the one that first opened a queue.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// Which process this is: another number in a child than in its parent.
pub fn process() -> usize {
    FORKS.load(Ordering::Relaxed)
}

/// Changes the list.
fn change(change: impl FnOnce(&mut Vec<RawFd>)) {
    DESCRIPTORS.lock.lock();
    // SAFETY: the lock is held.
    change(unsafe { &mut *DESCRIPTORS.list.get() });
    // SAFETY: it was locked above.
    unsafe { DESCRIPTORS.lock.unlock() };
}

impl Inherited {
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        static REGISTERED: Once = Once::new();
        let mut refused = 0;
        REGISTERED.call_once(|| {
            // SAFETY: the three functions may be called at any fork: they take one lock, which is held for a
            // few steps only, and give it back.
            refused = unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
        });
        if refused != 0 {
            return Err(io::Error::from_raw_os_error(refused));
        }
        change(|list| list.push(descriptor.as_raw_fd()));
        Ok(Self { descriptor, owner: std::process::id() })
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        let number = self.descriptor.as_raw_fd();
        change(|list| list.retain(|&descriptor| descriptor != number));
        if self.owner == std::process::id() {
            let _ = ftruncate(&self.descriptor, 0); // where no list of locks tells, the file does
            let _ = flock(&self.descriptor, FlockOperation::Unlock); // closing it does the same, if there is no copy
        }
    }
}

extern "C" fn before_fork() {
    DESCRIPTORS.lock.lock();
}

extern "C" fn in_parent() {
    // SAFETY: `before_fork` has locked it in this thread.
    unsafe { DESCRIPTORS.lock.unlock() };
}

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: `before_fork` has locked it in the thread of which this one is the copy.
    let list = unsafe { &*DESCRIPTORS.list.get() };
    // POSIX allows these calls in the child of a process of many threads. The descriptors in the list are
    // open: an `Inherited` takes its own out before it closes it. SAFETY: the path is a string that ends with
    // a zero.
    let harmless = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    for &descriptor in list {
        // SAFETY: numbers are all that it takes, and `Inherited` goes on with a descriptor that is open.
        unsafe { libc::dup2(harmless, descriptor) };
        // SAFETY: as above.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: it is nobody else's.
    unsafe { libc::close(harmless) };
    // SAFETY: as above. No other thread of this process waits for it, since there is none.
    unsafe { DESCRIPTORS.lock.unlock() };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_lock_ends_with_its_owner_though_a_program_that_begins_has_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock =
            || flock(File::options().append(true).open(&path).unwrap(), FlockOperation::NonBlockingLockExclusive);
        let file = File::create_new(&path).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        let _copy = file.try_clone().unwrap(); // as the child of `posix_spawn` has it
        let owned = Inherited::new(file.into()).unwrap();
        assert!(lock().is_err());
        drop(owned);
        lock().unwrap();
    }
}
