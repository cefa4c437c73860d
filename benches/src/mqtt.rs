//! The shape of an MQTT ingest: four publishers send bursts to one processor, which takes batches of up to
//! 4,000.
//!
//! The buffer starts small and grows by itself. Its maximum exceeds what one sample sends. So every refused
//! message is a loss for which the buffer is to blame.

use crate::contest::Sample;
use crate::stats::quantile;
use crate::subject::{Bounds, Elastic};
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

/// How many publishers there are.
pub const PUBLISHERS: usize = 4;
/// How many messages the processor takes at once.
pub const BATCH: usize = 4_000;
/// How many messages one sample sends.
pub const MESSAGES: u64 = 400_000;
/// It starts with 1K, as the predecessor's page recommends for an MQTT proxy.
pub const BOUNDS: Bounds = Bounds { initial: 1_024, min: 512, max: 1_048_576 };

/// A message as a client library hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    topic: Arc<str>,
    payload: Box<[u8]>,
    publisher: usize,
    id: u64,
    qos: u8,
}

/// What was seen over all samples of one buffer.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    /// Messages sent.
    pub sent: u64,
    /// Messages that the buffer refused.
    pub refused: u64,
    /// Messages that were taken and not processed in order, or that never came.
    pub lost: u64,
    /// The largest capacity that the processor saw.
    pub peak_capacity: usize,
    /// The capacity when everything was processed.
    pub last_capacity: usize,
    /// How long it took to take and process each batch, in microseconds.
    pub latencies: Vec<f64>,
    /// The same for the batches that were as large as the processor takes at once.
    pub full_latencies: Vec<f64>,
}

/// The quantile `q` of `latencies`, in their unit; zero when there is none.
#[must_use]
pub fn latency(latencies: &[f64], q: f64) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() { 0.0 } else { quantile(&sorted, q) }
}

/// Sends `items` messages through a fresh buffer, adds what is seen to `sightings`, and returns how long it
/// took.
///
/// # Panics
/// When a publisher's thread panics.
pub fn ingest<E: Elastic<Message>>(items: u64, sightings: &mut Sightings) -> Sample {
    let each = items / PUBLISHERS as u64;
    let buffer = E::open(BOUNDS);
    let barrier = Barrier::new(PUBLISHERS + 1);
    let refused = AtomicU64::new(0);
    let publishing = AtomicUsize::new(PUBLISHERS);

    let (elapsed, processed) = thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (buffer, barrier, refused, publishing) = (&buffer, &barrier, &refused, &publishing);
            scope.spawn(move || {
                let messages = messages_of(publisher, each);
                barrier.wait();
                for message in messages {
                    if !buffer.push(message) {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
                publishing.fetch_sub(1, Ordering::Release);
            });
        }
        barrier.wait();
        let started = Instant::now();
        let processed = process(&buffer, &publishing, sightings);
        (started.elapsed(), processed)
    });

    let sent = each * PUBLISHERS as u64;
    let refused = refused.into_inner();
    sightings.sent += sent;
    sightings.refused += refused;
    sightings.lost += (sent - refused).saturating_sub(processed);
    sightings.last_capacity = buffer.capacity();
    Sample { elapsed, items: sent, wrong: sent.saturating_sub(processed) }
}

/// What one publisher has to send. It is made beforehand, so that the time is the buffer's and not the
/// allocator's.
fn messages_of(publisher: usize, count: u64) -> Vec<Message> {
    let topic: Arc<str> = format!("plant/line-{publisher}/temperature").into();
    let message = |id: u64| Message {
        topic: Arc::clone(&topic),
        payload: vec![id as u8; 64].into_boxed_slice(),
        publisher,
        id,
        qos: (id % 3) as u8,
    };
    (0..count).map(message).collect()
}

/// The processor. It takes batches until no publisher is left and the buffer is empty. Returns how many
/// messages it found in order.
fn process<E: Elastic<Message>>(buffer: &E, publishing: &AtomicUsize, sightings: &mut Sightings) -> u64 {
    let mut next = [0; PUBLISHERS];
    let mut in_order = 0;
    let mut idle = 0_u32;
    loop {
        let last_look = publishing.load(Ordering::Acquire) == 0;
        sightings.peak_capacity = sightings.peak_capacity.max(buffer.capacity());
        let started = Instant::now();
        let batch = buffer.pop_batch(BATCH);
        if batch.is_empty() {
            if last_look {
                return in_order;
            }
            idle += 1;
            if idle <= 64 {
                spin_loop()
            } else {
                thread::yield_now()
            }
            continue;
        }
        idle = 0;
        let size = batch.len();
        for message in batch {
            let due = &mut next[message.publisher];
            in_order += u64::from(message.id == *due);
            *due = message.id + 1;
            black_box(
                message.payload.iter().fold(message.topic.len() as u64 + u64::from(message.qos), |sum, &byte| {
                    sum.wrapping_mul(31).wrapping_add(u64::from(byte))
                }),
            );
        }
        let latency = started.elapsed().as_secs_f64() * 1e6;
        sightings.latencies.push(latency);
        if size == BATCH {
            sightings.full_latencies.push(latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::collections::VecDeque;

    #[test]
    fn every_message_is_processed_once_and_in_order() {
        let mut sightings = Sightings::default();
        let sample = ingest::<Mutex<VecDeque<Message>>>(10_000, &mut sightings);
        assert_eq!((sample.items, sample.wrong), (10_000, 0));
        assert_eq!((sightings.sent, sightings.refused, sightings.lost), (10_000, 0, 0));
        assert!(!sightings.latencies.is_empty() && sightings.full_latencies.len() <= 10_000 / BATCH);
    }

    #[test]
    fn latencies_are_quantiles_of_what_was_seen() {
        assert_eq!(latency(&[], 0.5), 0.0);
        assert_eq!(latency(&[3.0, 1.0, 2.0], 0.5), 2.0);
    }
}
