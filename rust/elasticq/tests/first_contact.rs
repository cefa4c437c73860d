//! What a reader of the guide meets first: the names of 0.3.0, each called in a small program, with the
//! signatures that the table in `docs/rust.md` gives. `tests/test_rust_guide.py` compares the two.
#![cfg(not(loom))]

use elasticq::{BufferError, BufferResult, Config, DynamicCircularBuffer};
use std::time::Duration;

/// Does not compile unless a method of this name takes these arguments and returns this.
macro_rules! signatures {
    ($type:ty: $($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(let _: fn(&$type $(, $argument)*) -> $result = <$type>::$name;)*
    };
}

#[test]
fn a_buffer_takes_items_alone_and_in_batches() -> Result<(), BufferError> {
    let _: fn(Config) -> BufferResult<DynamicCircularBuffer<u32>> = DynamicCircularBuffer::new;
    signatures! { DynamicCircularBuffer<u32>:
        push(u32) -> Result<(), BufferError>;
        pop() -> Result<u32, BufferError>;
        push_batch(Vec<u32>) -> Result<(), BufferError>;
        pop_batch(usize) -> Result<Vec<u32>, BufferError>;
        len() -> usize;
        is_empty() -> bool;
        capacity() -> usize;
        iter() -> Vec<u32>;
        drain() -> Vec<u32>;
    }

    let readings = DynamicCircularBuffer::new(Config::default())?;
    readings.push(17)?;
    readings.push_batch(vec![18, 21, 19, 16])?;
    assert_eq!(readings.len(), 5);
    assert_eq!(readings.pop()?, 17);
    assert_eq!(readings.pop_batch(2)?, [18, 21]);
    assert_eq!(readings.iter(), [19, 16]); // copies: both are still there
    assert_eq!(readings.drain(), [19, 16]);
    assert!(readings.is_empty() && readings.capacity() == 1024);
    readings.push(20)?;
    readings.clear();
    assert_eq!(readings.pop(), Err(BufferError::Empty));
    Ok(())
}

#[test]
fn every_setting_has_its_method_and_its_rule() {
    let config = Config::default()
        .with_min_capacity(2)
        .with_initial_capacity(4)
        .with_max_capacity(8)
        .with_growth_factor(1.5)
        .with_shrink_threshold(0.2)
        .with_push_timeout(Duration::from_millis(5))
        .with_pop_timeout(Duration::from_millis(5));
    assert!(DynamicCircularBuffer::<u32>::new(config.clone()).is_ok());
    for broken in [
        config.clone().with_min_capacity(5),
        config.clone().with_min_capacity(0),
        config.clone().with_initial_capacity(9),
        config.clone().with_max_capacity(0),
        config.clone().with_growth_factor(1.0),
        config.clone().with_shrink_threshold(0.0),
        config.clone().with_shrink_threshold(1.0),
    ] {
        let refused = DynamicCircularBuffer::<u32>::new(broken).unwrap_err();
        assert!(matches!(refused, BufferError::InvalidConfiguration(_)), "{refused:?}");
    }
}

/// A broker's messages come in thousands; a stream's need more room from the start.
#[test]
fn the_settings_for_a_broker_and_for_a_stream_hold_their_limits() -> BufferResult<()> {
    let broker = Config::default().with_initial_capacity(1 << 10).with_max_capacity(1 << 20);
    let broker = broker.with_growth_factor(2.0).with_min_capacity(1 << 9);
    let stream = Config::default().with_initial_capacity(1 << 13).with_max_capacity(1 << 24);
    let stream = stream.with_growth_factor(1.5).with_shrink_threshold(0.25);
    for (config, first, most) in [(broker, 1 << 10, 1 << 20), (stream, 1 << 13, 1 << 24)] {
        let buffer = DynamicCircularBuffer::new(config)?;
        assert_eq!((buffer.capacity(), buffer.max_capacity()), (first, most));
        buffer.push_batch(vec![0_u8; 100_000])?; // more than fit at first
        assert!(buffer.capacity() >= 100_000);
    }
    Ok(())
}

#[cfg(feature = "lock_free")]
#[test]
fn many_threads_feed_one_through_a_queue_without_locks() -> Result<(), BufferError> {
    use elasticq::{LockFreeMPSCQueue, QueueStats};
    use std::sync::Arc;
    use std::thread;

    let _: fn(Config) -> BufferResult<LockFreeMPSCQueue<String>> = LockFreeMPSCQueue::new;
    signatures! { LockFreeMPSCQueue<String>:
        try_enqueue(String) -> Result<(), BufferError>;
        try_dequeue() -> Result<Option<String>, BufferError>;
        len() -> usize;
        is_empty() -> bool;
        capacity() -> usize;
        stats() -> QueueStats;
    }

    let lines = Arc::new(LockFreeMPSCQueue::new(Config::default().with_max_capacity(2048))?);
    let writers: Vec<_> = ["north", "east", "south"]
        .into_iter()
        .map(|station| {
            let lines = Arc::clone(&lines);
            thread::spawn(move || {
                for number in 0..500 {
                    while lines.try_enqueue(format!("{station} {number}")).is_err() {
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let reader = {
        let lines = Arc::clone(&lines);
        thread::spawn(move || {
            let mut read = Vec::new();
            while read.len() < 1500 {
                match lines.try_dequeue() {
                    Ok(Some(line)) => read.push(line),
                    Ok(None) | Err(_) => thread::yield_now(),
                }
            }
            read
        })
    };
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let read = reader.join().unwrap();
    let of_east: Vec<_> = read.iter().filter(|line| line.starts_with("east")).collect();
    assert!(of_east.iter().enumerate().all(|(number, line)| **line == format!("east {number}")), "{of_east:?}");
    let stats = lines.stats();
    assert_eq!((stats.messages_enqueued, stats.messages_dequeued, stats.current_size), (1500, 1500, 0));
    assert_eq!((lines.len(), lines.is_empty()), (0, true));
    assert!(lines.capacity() >= 1);
    assert!(format!("{stats:?}").contains("messages_enqueued: 1500"));
    Ok(())
}

#[cfg(feature = "async")]
#[tokio::test]
async fn calls_that_are_awaited() -> Result<(), BufferError> {
    let brief = Duration::from_millis(1);
    let buffer = DynamicCircularBuffer::<String>::new(Config::default())?;
    buffer.push_async("plant".to_string()).await?;
    buffer.push_async_timeout("water".to_string(), brief).await?;
    match buffer.pop_async_timeout(Duration::from_millis(50)).await {
        Ok(word) => assert_eq!(word, "plant"),
        Err(BufferError::Timeout(_)) => unreachable!("there is one"),
        Err(error) => return Err(error),
    }
    buffer.push_batch_async(vec!["weed".to_string(), "mow".to_string()]).await?;
    buffer.push_batch_async_timeout(vec!["reap".to_string()], brief).await?;
    let pair: Vec<String> = buffer.pop_batch_async(2).await?;
    assert_eq!(pair, ["water", "weed"]);
    assert_eq!(buffer.pop_async().await?, "mow");
    assert_eq!(buffer.pop_batch_async_timeout(2, Duration::from_secs(30)).await?, ["reap"]);
    // Nothing is left. A single pop says so; a batch is empty.
    assert_eq!(buffer.pop_async().await, Err(BufferError::Empty));
    assert_eq!(buffer.pop_async_timeout(brief).await, Err(BufferError::Timeout(brief)));
    assert!(buffer.pop_batch_async_timeout(2, brief).await?.is_empty());
    Ok(())
}

#[cfg(feature = "priority")]
#[test]
fn the_highest_level_goes_first() -> Result<(), BufferError> {
    use elasticq::priority::{PriorityCircularBuffer, PriorityConfig, PriorityStats};

    let _: fn(PriorityConfig) -> BufferResult<PriorityCircularBuffer<String>> = PriorityCircularBuffer::new;
    signatures! { PriorityCircularBuffer<String>:
        push_with_priority(String, usize) -> Result<(), BufferError>;
        pop() -> Result<String, BufferError>;
        pop_from_priority(usize) -> Result<String, BufferError>;
        stats() -> PriorityStats;
    }

    let config =
        PriorityConfig::default().with_priority_levels(3).with_fair_queuing(true).with_max_consecutive_per_priority(5);
    let calls = PriorityCircularBuffer::<String>::new(config)?;
    for (call, priority) in [("a blown bulb", 0), ("a leak", 1), ("a fire", 2), ("a creak", 0)] {
        calls.push_with_priority(call.to_string(), priority)?;
    }
    assert_eq!(calls.pop()?, "a fire");
    assert_eq!(calls.pop_from_priority(0)?, "a blown bulb");
    assert_eq!((calls.pop()?, calls.pop()?), ("a leak".to_string(), "a creak".to_string()));
    let stats = calls.stats();
    assert_eq!((stats.total_pushed, stats.popped_per_priority), (4, vec![2, 1, 1]));
    Ok(())
}

#[cfg(feature = "streams")]
mod streams {
    use super::*;
    use elasticq::streams::{BufferChannel, BufferSink, BufferStream, BufferStreamExt};
    use futures::StreamExt;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_channel_carries_items_between_tasks() {
        let buffer = Arc::new(DynamicCircularBuffer::<i32>::new(Config::default()).unwrap());
        let channel = BufferChannel::new(buffer.clone());
        let sender = channel.clone();
        let sending = tokio::spawn(async move {
            for number in 0..10 {
                sender.send(number).await.unwrap();
            }
        });
        for number in 0..9 {
            assert_eq!(channel.recv_timeout(Duration::from_secs(30)).await.unwrap(), number);
        }
        assert_eq!(channel.recv().await, Ok(9));
        sending.await.unwrap();
        assert!(buffer.is_empty());
    }

    #[tokio::test]
    async fn a_stream_ends_behind_what_its_sink_has_sent() {
        let buffer = Arc::new(DynamicCircularBuffer::<i32>::new(Config::default()).unwrap());
        let (stream, sink): (BufferStream<i32>, BufferSink<i32>) = buffer.stream_sink_pair();
        sink.send(42).await.unwrap();
        sink.send_batch(vec![1, 2, 3]).await.unwrap();
        drop(sink);
        assert_eq!(stream.collect::<Vec<_>>().await, [42, 1, 2, 3]);
    }
}

#[cfg(feature = "persistent")]
#[test]
fn a_queue_in_files_is_as_it_was_when_it_is_opened_again() -> Result<(), BufferError> {
    use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, PersistentStats, SyncMode};

    let _: fn(PersistentConfig) -> BufferResult<PersistentCircularBuffer<String>> = PersistentCircularBuffer::new;
    signatures! { PersistentCircularBuffer<String>:
        push(String) -> Result<(), BufferError>;
        pop() -> Result<String, BufferError>;
        sync() -> Result<(), BufferError>;
        compact() -> Result<(), BufferError>;
        stats() -> PersistentStats;
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters");
    for mode in [SyncMode::NoSync, SyncMode::Periodic(Duration::from_secs(1)), SyncMode::EveryWrite] {
        let open = || {
            let config = PersistentConfig::default().with_file_path(path.to_str().unwrap());
            PersistentCircularBuffer::<String>::new(config.with_sync_mode(mode).with_max_log_entries(10_000))
        };
        let letters = open()?;
        letters.push("to the mill".to_string())?;
        letters.push("to the quay".to_string())?;
        assert_eq!(letters.pop()?, "to the mill");
        letters.sync()?;
        letters.compact()?;
        drop(letters);

        let letters = open()?;
        let stats = letters.stats();
        assert_eq!((stats.ready, stats.recovered_clean), (1, true), "{stats:?}");
        assert_eq!(letters.pop()?, "to the quay");
    }
    Ok(())
}

#[cfg(feature = "metrics")]
#[test]
fn a_recorder_takes_a_shared_buffer_and_a_borrowed_one() -> BufferResult<()> {
    use elasticq::QueueStats;
    use elasticq::metrics::{InstrumentedBuffer, InstrumentedBufferRef, MetricsRecorder};
    use std::sync::Arc;

    let _: fn(&str) -> MetricsRecorder = MetricsRecorder::new;
    let _: fn(Arc<DynamicCircularBuffer<u32>>, MetricsRecorder) -> InstrumentedBuffer<u32> = InstrumentedBuffer::new;
    signatures! { InstrumentedBuffer<u32>:
        push(u32) -> Result<(), BufferError>;
        pop() -> Result<u32, BufferError>;
        push_batch(Vec<u32>) -> Result<(), BufferError>;
        pop_batch(usize) -> Result<Vec<u32>, BufferError>;
        len() -> usize;
        is_empty() -> bool;
        capacity() -> usize;
        stats() -> QueueStats;
    }

    let parcels = Arc::new(DynamicCircularBuffer::new(Config::default())?);
    let counted = InstrumentedBuffer::new(Arc::clone(&parcels), MetricsRecorder::new("parcels"));
    counted.push(5)?;
    counted.push_batch(vec![6, 7])?;
    assert_eq!((counted.pop()?, counted.pop_batch(9)?), (5, vec![6, 7]));
    assert_eq!((counted.len(), counted.is_empty(), counted.capacity()), (0, true, 1024));
    assert_eq!(counted.stats(), parcels.stats());

    let borrowed = DynamicCircularBuffer::new(Config::default())?;
    let recorder = MetricsRecorder::new("samples");
    let counted: InstrumentedBufferRef<'_, u32, DynamicCircularBuffer<u32>> = recorder.instrument(&borrowed);
    counted.push(8)?;
    assert_eq!((counted.pop()?, borrowed.stats().messages_dequeued), (8, 1));
    counted.push_batch(vec![9, 10, 11])?;
    assert_eq!((counted.len(), counted.is_empty(), counted.capacity()), (3, false, 1024));
    assert_eq!((counted.try_pop()?, counted.pop_batch(9)?), (9, vec![10, 11]));
    counted.close();
    assert_eq!(counted.offer(12).unwrap_err().into_inner(), 12);
    assert!(counted.is_closed() && counted.stats().messages_refused == 1);
    Ok(())
}
