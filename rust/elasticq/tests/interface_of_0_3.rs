//! Programs that were written for the interface of 0.3.0 compile and do what they say.
#![cfg(all(feature = "streams", not(loom)))]

use elasticq::streams::{BufferChannel, BufferSink, BufferStream, BufferStreamExt};
use elasticq::{BufferError, Config, DynamicCircularBuffer};
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn calls_that_are_awaited() -> Result<(), BufferError> {
    let buffer = DynamicCircularBuffer::<String>::new(Config::default())?;
    buffer.push_async("first".to_string()).await?;
    buffer.push_async("second".to_string()).await?;
    match buffer.pop_async_timeout(Duration::from_millis(100)).await {
        Ok(item) => assert_eq!(item, "first"),
        Err(BufferError::Timeout(_)) => unreachable!("there is one"),
        Err(error) => return Err(error),
    }
    buffer.push_batch_async(vec!["third".to_string(), "fourth".to_string()]).await?;
    assert_eq!(buffer.pop_batch_async(2).await?, ["second", "third"]);
    assert_eq!(buffer.pop_batch_async_timeout(2, Duration::from_secs(1)).await?, ["fourth"]);
    assert!(buffer.pop_batch_async_timeout(2, Duration::from_millis(1)).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_channel_and_a_pair_over_a_shared_buffer() {
    let buffer = Arc::new(DynamicCircularBuffer::<i32>::new(Config::default()).unwrap());
    let channel = BufferChannel::new(buffer.clone());
    let sender = channel.clone();
    tokio::spawn(async move {
        for number in 0..10 {
            sender.send(number).await.unwrap();
        }
    });
    for number in 0..10 {
        assert_eq!(channel.recv_timeout(Duration::from_secs(30)).await.unwrap(), number);
    }

    let (stream, sink): (BufferStream<i32>, BufferSink<i32>) = buffer.stream_sink_pair();
    sink.send(42).await.unwrap();
    sink.send_batch(vec![1, 2, 3]).await.unwrap();
    drop(sink);
    assert_eq!(stream.collect::<Vec<_>>().await, [42, 1, 2, 3]);
}
