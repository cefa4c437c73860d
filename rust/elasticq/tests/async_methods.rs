//! `push_async` and its kin, of every queue: those without a timeout never wait, those with one do.
#![cfg(all(feature = "async", feature = "lock_free", feature = "priority", not(loom)))]

#[cfg(feature = "persistent")]
use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig};
use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::{
    Buffer, BufferError, Config, DynamicCircularBuffer, LockFreeMPMCQueue, LockFreeMPSCQueue, LockFreeSPSCQueue,
};
use std::time::Duration;

const BRIEF: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(30);

fn two() -> Config {
    Config::default().with_initial_capacity(2).with_min_capacity(2).with_max_capacity(2)
}

/// Even where the calls for threads would wait for ever.
fn patient() -> Config {
    two().with_push_timeout(Duration::MAX).with_pop_timeout(Duration::MAX)
}

macro_rules! tests {
    ($name:ident, $new:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn without_a_timeout_they_answer_at_once_in_any_runtime() {
                let queue = $new(patient()).unwrap();
                pollster::block_on(async {
                    assert_eq!(queue.pop_async().await, Err(BufferError::Empty));
                    assert_eq!(queue.pop_batch_async(3).await, Ok(vec![]));
                    queue.push_async(1).await.unwrap();
                    assert_eq!(queue.push_batch_async(vec![2, 3]).await, Err(BufferError::Full));
                    queue.push_batch_async(vec![2]).await.unwrap();
                    assert_eq!(queue.push_async(3).await, Err(BufferError::MaxCapacityReached(2)));
                    assert_eq!(Buffer::stats(&queue).messages_refused, 3);
                    assert_eq!(queue.pop_async().await, Ok(1));
                    assert_eq!(queue.pop_batch_async(3).await, Ok(vec![2]));
                    queue.close();
                    assert_eq!(queue.push_async(4).await, Err(BufferError::Closed));
                    assert_eq!(queue.pop_async().await, Err(BufferError::Closed));
                });
            }

            #[tokio::test]
            async fn with_a_timeout_they_wait_so_long() {
                let queue = $new(two()).unwrap();
                assert_eq!(queue.pop_async_timeout(BRIEF).await, Err(BufferError::Timeout(BRIEF)));
                assert_eq!(queue.pop_batch_async_timeout(3, BRIEF).await, Ok(vec![]));
                queue.push_async_timeout(1, BRIEF).await.unwrap();
                let batch = queue.push_batch_async_timeout(vec![2, 3], BRIEF).await;
                assert_eq!(batch, Err(BufferError::Timeout(BRIEF)));
                queue.push_batch_async_timeout(vec![2], BRIEF).await.unwrap();
                assert_eq!(queue.push_async_timeout(3, BRIEF).await, Err(BufferError::Timeout(BRIEF)));
                let never = queue.push_batch_async_timeout(vec![0; 3], LONG).await;
                assert_eq!(never, Err(BufferError::MaxCapacityReached(2)));
                assert_eq!(Buffer::stats(&queue).messages_refused, 6);
                assert_eq!(queue.pop_async_timeout(LONG).await, Ok(1));
                assert_eq!(queue.pop_batch_async_timeout(3, LONG).await, Ok(vec![2]));
                assert_eq!(queue.pop_batch_async_timeout(0, LONG).await, Ok(vec![]));
            }

            #[tokio::test]
            async fn an_item_and_room_end_the_wait() {
                let queue = $new(two()).unwrap();
                let (item, ()) = tokio::join!(queue.pop_async_timeout(LONG), async {
                    tokio::task::yield_now().await;
                    queue.push_async(7).await.unwrap();
                });
                assert_eq!(item, Ok(7));
                queue.push_batch_async(vec![1, 2]).await.unwrap();
                let (put, first) = tokio::join!(queue.push_async_timeout(3, LONG), async {
                    tokio::task::yield_now().await;
                    queue.pop_async().await
                });
                assert_eq!((put, first), (Ok(()), Ok(1)));
                let (closed, ()) = tokio::join!(queue.push_batch_async_timeout(vec![4], LONG), async {
                    tokio::task::yield_now().await;
                    queue.close();
                });
                assert_eq!(closed, Err(BufferError::Closed));
            }

            #[tokio::test]
            async fn what_is_refused_comes_back_and_is_counted_once() {
                let queue = $new(two()).unwrap();
                queue.offer_async(1).await.unwrap();
                let full = queue.offer_batch_async(vec![2, 3]).await.unwrap_err();
                assert_eq!(full.into_parts(), (BufferError::Full, vec![2, 3]));
                queue.offer_async_timeout(2, LONG).await.unwrap();
                let full = queue.offer_async(3).await.unwrap_err();
                assert_eq!(full.into_parts(), (BufferError::MaxCapacityReached(2), 3));
                let late = queue.offer_async_timeout(3, BRIEF).await.unwrap_err();
                assert_eq!(late.into_parts(), (BufferError::Timeout(BRIEF), 3));
                let late = queue.offer_batch_async_timeout(vec![3, 4], BRIEF).await.unwrap_err();
                assert_eq!(late.into_parts(), (BufferError::Timeout(BRIEF), vec![3, 4]));
                let never = queue.offer_batch_async_timeout(vec![0; 3], LONG).await.unwrap_err();
                assert_eq!(never.into_parts(), (BufferError::MaxCapacityReached(2), vec![0; 3]));
                assert_eq!(queue.pop_batch_async(9).await, Ok(vec![1, 2]));
                queue.offer_batch_async(vec![5]).await.unwrap();
                queue.offer_batch_async_timeout(vec![6], LONG).await.unwrap();
                assert_eq!(queue.pop_batch_async(9).await, Ok(vec![5, 6]));
                queue.close();
                assert_eq!(queue.offer_async(7).await.unwrap_err().into_parts(), (BufferError::Closed, 7));
                let closed = queue.offer_batch_async_timeout(vec![7], LONG).await.unwrap_err();
                assert_eq!(closed.into_parts(), (BufferError::Closed, vec![7]));
                assert_eq!(Buffer::stats(&queue).messages_refused, 2 + 1 + 1 + 2 + 3 + 1 + 1);
            }

            #[test]
            fn a_timeout_needs_a_runtime_with_timers() {
                let queue = $new(two()).unwrap();
                let is_refusal = |error| matches!(error, BufferError::InvalidOperation(_));
                assert!(is_refusal(pollster::block_on(queue.push_async_timeout(1, LONG)).unwrap_err()));
                assert!(is_refusal(pollster::block_on(queue.pop_async_timeout(LONG)).unwrap_err()));
                assert!(is_refusal(pollster::block_on(queue.push_batch_async_timeout(vec![1], LONG)).unwrap_err()));
                assert!(is_refusal(pollster::block_on(queue.pop_batch_async_timeout(1, LONG)).unwrap_err()));
                let (reason, item) = pollster::block_on(queue.offer_async_timeout(1, LONG)).unwrap_err().into_parts();
                assert!(is_refusal(reason) && item == 1);
                assert!(queue.is_empty());
            }
        }
    };
}

tests!(with_a_lock, DynamicCircularBuffer::new);
tests!(with_levels, with_levels_of);
tests!(mpsc, LockFreeMPSCQueue::new);
tests!(mpmc, LockFreeMPMCQueue::new);
tests!(spsc, LockFreeSPSCQueue::new);
#[cfg(feature = "persistent")]
tests!(durable, durable_of);

#[cfg(feature = "persistent")]
fn durable_of(config: Config) -> Result<PersistentCircularBuffer<u32>, BufferError> {
    // The folder is removed at the end of this function; the files are open, so they stay as long as the
    // queue.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    PersistentCircularBuffer::new(PersistentConfig::default().with_file_path(path).with_base_config(config))
}

fn with_levels_of(config: Config) -> Result<PriorityCircularBuffer<u32>, BufferError> {
    PriorityCircularBuffer::new(PriorityConfig::default().with_base_config(config))
}
