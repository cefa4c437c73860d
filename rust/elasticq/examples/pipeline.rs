//! Four producers and one consumer that takes batches: waiting for room, waiting for items, and an orderly
//! end.
//!
//! ```text
//! cargo run --example pipeline
//! ```

use elasticq::{BufferError, Config, DynamicCircularBuffer};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const PRODUCERS: u64 = 4;
const EACH: u64 = 100_000;

fn main() -> Result<(), BufferError> {
    let config = Config::default()
        .with_max_capacity(8192)
        .with_push_timeout(Duration::from_secs(10)) // a full buffer slows down its producers
        .with_pop_timeout(Duration::from_secs(10));
    let buffer = Arc::new(DynamicCircularBuffer::new(config)?);

    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || (0..EACH).try_for_each(|n| buffer.push((producer, n))))
        })
        .collect();
    let consumer = {
        let buffer = Arc::clone(&buffer);
        thread::spawn(move || {
            let (mut batches, mut next) = (0, [0; PRODUCERS as usize]);
            loop {
                match buffer.pop_batch(4000) {
                    Ok(batch) => {
                        batches += 1;
                        for (producer, n) in batch {
                            assert_eq!(n, next[producer as usize], "each producer's items come in order");
                            next[producer as usize] += 1;
                        }
                    }
                    Err(BufferError::Closed) => return (batches, next),
                    Err(error) => panic!("{error}"),
                }
            }
        })
    };
    for producer in producers {
        producer.join().expect("a producer does not panic")?;
    }
    buffer.close(); // what is inside can still be taken
    let (batches, next) = consumer.join().expect("the consumer does not panic");
    assert_eq!(next, [EACH; PRODUCERS as usize]);
    println!("{} items in {batches} batches: {:?}", PRODUCERS * EACH, buffer.stats());
    Ok(())
}
