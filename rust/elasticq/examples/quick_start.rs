//! A buffer that grows on demand, gives its memory back, and hands back what it refuses.
//!
//! ```text
//! cargo run --example quick_start
//! ```

use elasticq::{BufferError, Config, DynamicCircularBuffer};

fn main() -> Result<(), BufferError> {
    let config = Config::default()
        .with_initial_capacity(8) // at the start
        .with_min_capacity(4) // at least, after a burst too
        .with_max_capacity(1000) // never more than this
        .with_growth_factor(1.5)
        .with_shrink_threshold(0.3);
    let buffer = DynamicCircularBuffer::new(config)?;

    buffer.push(1)?;
    buffer.push_batch((2..=500).collect())?;
    println!("{} items in a capacity of {}", buffer.len(), buffer.capacity());

    assert_eq!(buffer.pop()?, 1);
    assert_eq!(buffer.pop_batch(3)?, [2, 3, 4]);
    assert_eq!(buffer.peek()?, 5); // only looks
    assert_eq!(buffer.iter().len(), 496); // only looks, too
    assert_eq!(buffer.drain().len(), 496); // takes
    println!("drained: a capacity of {}", buffer.capacity());

    // A batch goes in as a whole or not at all, and what is refused comes back.
    let too_many = (0..1001).collect::<Vec<_>>();
    let (reason, items) = buffer.offer_batch(too_many).unwrap_err().into_parts();
    println!("refused: {reason}; {} items in hand", items.len());
    assert!(reason.is_capacity_error() && buffer.is_empty());

    println!("{:?}", buffer.stats());
    Ok(())
}
