//! Puts items through one queue in one way, for an instruction counter to watch. `scripts/instructions` does
//! that.
//!
//! ```text
//! instructions QUEUE SHAPE ITEMS
//! ```
//!
//! QUEUE is a name below. SHAPE is `pairs` (each item is taken at once), `waves` (60,000 go in, then come
//! out, again and again, so an elastic queue grows and shrinks each time) or `ripples` (as waves, of 192). It
//! needs the features `lock_free` and `priority`.

use elasticq_benches::subject::{Pop, Push, Subject};
use elasticq_benches::subjects::lock_free::{Mpmc, Mpsc, SharedMpmc, SharedMpsc, SharedSpsc, Spsc};
use elasticq_benches::subjects::ours::Ours;
use elasticq_benches::subjects::priority::Spread;
use elasticq_benches::subjects::queues::Rtrb;
use std::hint::black_box;
use std::process::exit;

const CAPACITY: usize = 65_536;
const WAVE: u64 = 60_000;
/// A multiple of 3 and of 64, so that each level gets the same number.
const RIPPLE: u64 = 192;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [queue, shape, items] = arguments.as_slice() else { usage() };
    let Ok(items) = items.parse() else { usage() };
    let wave = match shape.as_str() {
        "pairs" => 1,
        "waves" => WAVE,
        "ripples" => RIPPLE,
        _ => usage(),
    };
    match queue.as_str() {
        "spsc" => put_through::<Spsc<false>>(wave, items),
        "spsc-shared" => put_through::<SharedSpsc>(wave, items),
        "spsc-elastic" => put_through::<Spsc<true>>(wave, items),
        "mpsc" => put_through::<Mpsc<false>>(wave, items),
        "mpsc-shared" => put_through::<SharedMpsc>(wave, items),
        "mpsc-elastic" => put_through::<Mpsc<true>>(wave, items),
        "mpmc" => put_through::<Mpmc<false>>(wave, items),
        "mpmc-shared" => put_through::<SharedMpmc>(wave, items),
        "mpmc-elastic" => put_through::<Mpmc<true>>(wave, items),
        "locked" => put_through::<Ours<false>>(wave, items),
        "locked-elastic" => put_through::<Ours<true>>(wave, items),
        "levels-3" => put_through::<Spread<3, false>>(wave, items),
        "levels-3-fair" => put_through::<Spread<3, true>>(wave, items),
        "levels-64" => put_through::<Spread<64, false>>(wave, items),
        "levels-64-fair" => put_through::<Spread<64, true>>(wave, items),
        "array-queue" => put_through::<crossbeam_queue::ArrayQueue<u64>>(wave, items),
        "rtrb" => put_through::<Rtrb>(wave, items),
        _ => usage(),
    }
}

fn usage() -> ! {
    eprintln!("usage: instructions QUEUE pairs|waves|ripples ITEMS");
    exit(2)
}

// Each queue's loop is a function by itself. Merged into `main`, the same code would come out a few
// instructions longer or shorter.
#[inline(never)]
fn put_through<S: Subject>(wave: u64, items: u64) {
    let (mut producers, mut consumers) = S::open(CAPACITY, 1, 1);
    let (producer, consumer) = (&mut producers[0], &mut consumers[0]);
    let (mut sent, mut sum) = (0, 0_u64);
    while sent < items {
        let count = wave.min(items - sent);
        for item in 0..count {
            assert!(producer.try_push(black_box(item)), "there is room for a wave");
        }
        for _ in 0..count {
            sum = sum.wrapping_add(black_box(consumer.try_pop()).expect("what went in comes out"));
        }
        sent += count;
    }
    black_box(sum);
}
