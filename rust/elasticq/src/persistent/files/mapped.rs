//! [`Map`]: a file of fixed size in memory. A write is a copy, and needs no call of the system.
//!
//! Readers and writers are on different bytes at every moment: a segment's records are read up to its
//! published end and written behind it (`segment`).
//!
//! **Another process may cut the file off.** Then a touch of what is gone raises SIGBUS, which would end the
//! process. So a handler of that signal puts a page of zeroes in the place, notes it, and the touch goes on;
//! a look at the note afterwards turns it into an error. A signal for any other address goes to whatever
//! handled it before. (Wayland's `wl_shm` does the same for buffers that clients share.)
//!
//! **Not everywhere.** Copy-on-write file systems need new room for each page that is written, and on a full
//! disk a write through memory could only be answered by that signal. On file systems of a network another
//! machine's view may be older. There, and on systems other than Linux, a file is not mapped.

use super::forked::process;
use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};
use rustix::fs::fstatfs;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, compiler_fence};
use std::sync::{Once, OnceLock};

#[derive(Debug)]
pub struct Map {
    memory: ManuallyDrop<MmapRaw>,
    watch: &'static Watch,
    /// The process that has mapped it; see [`process`].
    process: usize,
}

/// What the handler of the signal must know of a map. These live for ever and are used again and again, so
/// the handler can walk along them at any moment.
#[derive(Debug)]
struct Watch {
    next: AtomicPtr<Self>,
    used: AtomicBool,
    /// The addresses of the map; both 0 while there is none.
    begin: AtomicUsize,
    end: AtomicUsize,
    /// Whether a part of the file was gone when it was touched.
    lost: AtomicBool,
}

static WATCHES: AtomicPtr<Watch> = AtomicPtr::new(ptr::null_mut());

/// So many bytes of a write come first: enough for the head of a batch's first record, behind the two records
/// that may stand before it in the same write (a mark, and that of an opening).
const FIRST: usize = 128;

/// They come in steps that are no longer than the shortest record.
const STEP: usize = 32;

/// File systems on which a file is not mapped: Btrfs, ZFS, Bcachefs, NFS, SMB (three numbers), FUSE, 9P,
/// Ceph, Lustre.
const UNMAPPED: [u64; 11] = [
    0x9123_683e,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x6969,
    0xfe53_4d42,
    0xff53_4d42,
    0x517b,
    0x6573_5546,
    0x0102_1997,
    0x00c3_6400,
    0x0bd0_0bd0,
];

impl Map {
    /// Maps the whole file as it is now. `None`: it is better not mapped.
    pub fn of(file: &File) -> io::Result<Option<Self>> {
        let kind = fstatfs(file)?.f_type;
        #[expect(clippy::cast_sign_loss, reason = "numbers of file systems are 32 bits without a sign")]
        let kind = u64::from(kind as u32);
        if UNMAPPED.contains(&kind) || !watch_for_signals() {
            return Ok(None);
        }
        let memory = MmapOptions::new().map_raw(file)?;
        // A child that touched it would write to the parent's queue.
        memory.advise(Advice::DontFork)?;
        let watch = Watch::claim();
        watch.lost.store(false, Ordering::Relaxed);
        let begin = memory.as_ptr() as usize;
        watch.end.store(begin + memory.len(), Ordering::Relaxed);
        watch.begin.store(begin, Ordering::Release);
        Ok(Some(Self { memory: ManuallyDrop::new(memory), watch, process: process() }))
    }

    pub fn covers(&self, at: u64, count: usize) -> bool {
        at.checked_add(count as u64).is_some_and(|end| end <= self.memory.len() as u64)
    }

    pub fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        assert!(self.covers(at, bytes.len()));
        // SAFETY: both ranges are valid for so many bytes, by the check and by the slice, and they don't
        // overlap. No thread writes to these bytes of the map at the same moment (see the header): if the queue
        // was closed, another opener may write to the file through a map of its own, as another process may,
        // and then what was read is not used (`disk`). Where the file was cut off, the handler of the signal
        // puts zeroes.
        unsafe { ptr::copy_nonoverlapping(self.at(at), bytes.as_mut_ptr(), bytes.len()) };
        self.check()
    }

    /// Writes the first bytes in order, and then all others. `memcpy` may write the first ones last; a
    /// process that is killed in it would leave records of a batch behind a first one of which nothing can be
    /// read.
    pub fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        assert!(self.covers(at, bytes.len()));
        let (mut rest, mut place) = (bytes, self.at(at));
        for piece in bytes[..bytes.len().min(FIRST)].chunks_exact(STEP) {
            // SAFETY: as in `read_at`, and no thread reads these bytes at the same moment.
            unsafe { ptr::copy_nonoverlapping(piece.as_ptr(), place, STEP) };
            compiler_fence(Ordering::SeqCst);
            (rest, place) = (&rest[STEP..], place.wrapping_add(STEP));
        }
        // SAFETY: as above.
        unsafe { ptr::copy_nonoverlapping(rest.as_ptr(), place, rest.len()) };
        self.check()
    }

    /// Writes a word in one step.
    pub fn store(&self, word: u64, at: u64) -> io::Result<()> {
        assert!(self.covers(at, 8) && at.is_multiple_of(8));
        // SAFETY: the place is in the map, and aligned, since a map begins at a page. All threads write there
        // like this, and none reads.
        let place = unsafe { AtomicU64::from_ptr(self.at(at).cast()) };
        place.store(word.to_le(), Ordering::Relaxed); // nothing in this process depends on it
        self.check()
    }

    /// Lets go of all pages at once: what was written to them is the file's, and the next touch gets it from
    /// there. A sync takes them one by one otherwise, and interrupts all threads of the process for each.
    pub fn let_go(&self) {
        // SAFETY: the map is shared, so the pages that come back hold what was written. Nothing borrows from
        // it. If the system refuses, the sync does it.
        let _ = unsafe { self.memory.unchecked_advise(UncheckedAdvice::DontNeed) };
    }

    fn at(&self, at: u64) -> *mut u8 {
        self.memory.as_mut_ptr().wrapping_add(at as usize)
    }

    fn check(&self) -> io::Result<()> {
        if self.watch.lost.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file was cut off while it was in use"));
        }
        Ok(())
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // Before the memory is given back, and given to somebody else.
        self.watch.begin.store(0, Ordering::Release);
        self.watch.end.store(0, Ordering::Release);
        self.watch.used.store(false, Ordering::Release);
        // A forked child does not have the map, and has other things at its addresses.
        if self.process == process() {
            // SAFETY: it is not used any more.
            unsafe { ManuallyDrop::drop(&mut self.memory) };
        }
    }
}

impl Watch {
    /// One that is not in use, or a new one.
    fn claim() -> &'static Self {
        // SAFETY: every pointer in the list is that of a `Watch` that is never freed.
        let each = || std::iter::successors(unsafe { WATCHES.load(Ordering::Acquire).as_ref() }, |watch| watch.next());
        for watch in each() {
            if watch.used.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return watch;
            }
        }
        let watch: &'static Self = Box::leak(Box::new(Self {
            next: AtomicPtr::new(ptr::null_mut()),
            used: AtomicBool::new(true),
            begin: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            lost: AtomicBool::new(false),
        }));
        let mut first = WATCHES.load(Ordering::Acquire);
        loop {
            watch.next.store(first, Ordering::Relaxed);
            let new = ptr::from_ref(watch).cast_mut();
            match WATCHES.compare_exchange_weak(first, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return watch,
                Err(now) => first = now,
            }
        }
    }

    fn next(&self) -> Option<&'static Self> {
        // SAFETY: as in `claim`.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    fn has(&self, address: usize) -> bool {
        let begin = self.begin.load(Ordering::Acquire);
        begin != 0 && (begin..self.end.load(Ordering::Acquire)).contains(&address)
    }
}

/// What handled the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Installs the handler. False: the system refuses.
fn watch_for_signals() -> bool {
    static INSTALLED: Once = Once::new();
    static REFUSED: AtomicBool = AtomicBool::new(false);
    INSTALLED.call_once(|| {
        // SAFETY: a constant is asked for.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        PAGE.store(usize::try_from(page).unwrap_or(4096), Ordering::Relaxed);
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: a null pointer asks only what there is, and the place is valid for the answer.
        let asked = unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), before.as_mut_ptr()) };
        if asked != 0 {
            REFUSED.store(true, Ordering::Relaxed);
            return;
        }
        // SAFETY: the call has filled it.
        let _ = BEFORE.set(unsafe { before.assume_init() });
        // SAFETY: all zero is a valid `sigaction`.
        let mut handler: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        handler.sa_sigaction = on_signal as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
        handler.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        // SAFETY: the handler only does what is allowed in one: see `on_signal`.
        let installed = unsafe { libc::sigaction(libc::SIGBUS, &raw const handler, ptr::null_mut()) };
        REFUSED.store(installed != 0, Ordering::Relaxed);
    });
    !REFUSED.load(Ordering::Relaxed)
}

/// Calls nothing but `mmap` and `sigaction`, takes no lock, and keeps `errno`.
extern "C" fn on_signal(number: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the system passes a valid pointer.
    let info_of_system = unsafe { &*info };
    // SAFETY: for this signal the address is set.
    let address = unsafe { info_of_system.si_addr() } as usize;
    // SAFETY: as in `claim`.
    let mut watch = unsafe { WATCHES.load(Ordering::Acquire).as_ref() };
    while let Some(this) = watch {
        if this.has(address) && put_zeroes(address) {
            this.lost.store(true, Ordering::Relaxed);
            return;
        }
        watch = this.next();
    }
    pass_on(number, info, context);
}

fn put_zeroes(address: usize) -> bool {
    let page = PAGE.load(Ordering::Relaxed);
    // SAFETY: `errno` of this thread may be read and written here.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    // SAFETY: the page belongs to a map of ours that is alive: the thread that touched it is in a call of its
    // owner.
    let put = unsafe {
        libc::mmap(
            (address & !(page - 1)) as *mut c_void,
            page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    // SAFETY: as above.
    unsafe { *errno = before };
    put != libc::MAP_FAILED
}

/// Leaves the signal to whatever handled it before.
fn pass_on(number: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(before) = BEFORE.get() else { return };
    match before.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: it was valid when it was installed. The touch is repeated, and does what it did before.
            unsafe { libc::sigaction(number, before, ptr::null_mut()) };
        }
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with this flag it is a function of this type.
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(number, info, context);
        }
        handler => {
            // SAFETY: without the flag it is a function of this type.
            let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
            handler(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::fs;
    use std::hint::black_box;
    use std::os::unix::fs::FileExt;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    /// A whole number of pages on every system.
    const HALF: usize = 64 << 10;

    /// Started by the test below, and ended by a signal in the middle of a write; does nothing otherwise.
    #[test]
    fn child() {
        let Ok(path) = env::var("ELASTICQ_CHILD") else { return };
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        let map = Map::of(&file).unwrap().unwrap();
        file.set_len(HALF as u64).unwrap();
        // SAFETY: the default needs no handler.
        unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
        let bytes = black_box(vec![7; 1000]);
        map.write_at(&bytes, (HALF - FIRST - 8) as u64).unwrap();
    }

    #[test]
    fn the_first_bytes_of_a_write_are_there_before_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = fs::File::create_new(&path).unwrap();
        file.set_len(2 * HALF as u64).unwrap();
        let file = fs::File::options().read(true).write(true).open(&path).unwrap();
        if Map::of(&file).unwrap().is_none() {
            return; // on this file system nothing is mapped
        }
        let child = ["--exact", "persistent::files::mapped::tests::child", "--test-threads=1"];
        let ended =
            Command::new(env::current_exe().unwrap()).args(child).env("ELASTICQ_CHILD", &path).output().unwrap();
        assert_eq!(ended.status.signal(), Some(libc::SIGBUS), "{ended:?}");
        let mut bytes = [1; FIRST];
        file.read_exact_at(&mut bytes, (HALF - FIRST - 8) as u64).unwrap();
        assert_eq!(bytes, [7; FIRST]);
    }
}
