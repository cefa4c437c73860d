//! Channels, streams and sinks over every queue: order, backpressure, closing, and what comes back.
#![cfg(all(feature = "streams", feature = "lock_free", feature = "priority", not(loom)))]

#[path = "support/queues.rs"]
mod queues;

use elasticq::priority::{PriorityCircularBuffer, PriorityConfig};
use elasticq::streams::{BufferChannel, BufferSink, BufferStreamExt, Shared};
use elasticq::{BufferError, Config, Parts};
use futures::executor::block_on;
use futures::stream::FusedStream;
use futures::{Sink, SinkExt, Stream, StreamExt, stream};
use queues::{Queue, counting, of_all_five, of_all_six, poll, poll_into_line, until};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

of_all_six! {
    a_channel_delivers_in_order_and_ends_when_it_is_closed
    a_refused_item_comes_back_from_each_way_to_send
    threads_and_tasks_use_the_same_channel
    many_are_received_at_once
    a_sender_waits_for_room
    a_stream_ends_when_the_last_sink_of_the_channel_goes
    a_channel_that_has_no_sink_is_not_closed_by_a_clone_that_goes
    a_pair_ends_with_either_half
    a_stream_and_a_sink_of_a_shared_queue_close_nothing
    a_sink_is_ready_when_there_is_room
    an_item_that_lost_its_room_waits_in_the_sink_and_goes_first
    an_unsent_item_comes_back
    a_closed_sink_refuses_and_the_others_go_on
    a_sink_hears_that_the_queue_was_closed
    a_stream_forwards_to_a_sink
    a_receiver_that_goes_passes_its_wake_up_on
    a_sender_that_goes_passes_its_wake_up_on
    what_was_refused_is_counted_once
    a_channel_tells_who_is_stuck_at_which_end
}

// The durable queue puts an item in only when it is polled, and its own thread wakes tasks, too.
of_all_five! {
    a_sink_gives_back_the_unsent_item_and_the_one_behind_it
    a_sink_that_is_not_asked_whether_it_is_ready_loses_nothing
    as_many_receivers_are_woken_as_there_are_items
}

fn channel<Q: Queue>(max: usize) -> BufferChannel<u32, Q> {
    BufferChannel::new(Q::of(max))
}

/// One step of a task that nobody wakes.
fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// A sink of a durable queue may have to wait for the queue's thread at first, also if there is room.
fn is_ready<Q: Queue>(sink: &mut BufferSink<u32, Shared<Q>>) -> bool {
    Pin::new(sink).poll_ready(&mut context()).map(Result::unwrap).is_ready()
}

fn is_flushed<Q: Queue>(sink: &mut BufferSink<u32, Shared<Q>>) -> bool {
    Pin::new(sink).poll_flush(&mut context()).map(Result::unwrap).is_ready()
}

fn start<Q: Queue>(sink: &mut BufferSink<u32, Shared<Q>>, item: u32) -> Result<(), (BufferError, u32)> {
    Pin::new(sink).start_send(item).map_err(elasticq::Rejected::into_parts)
}

fn a_channel_delivers_in_order_and_ends_when_it_is_closed<Q: Queue>() {
    let channel = channel::<Q>(64);
    block_on(async {
        for number in 0..3 {
            channel.send(number).await.unwrap();
        }
        channel.send_batch(vec![3, 4]).await.unwrap();
        channel.try_send(5).unwrap();
        assert_eq!((channel.len(), channel.is_empty(), channel.is_closed()), (6, false, false));
        channel.close();
        for number in 0..6 {
            assert_eq!(channel.recv().await, Ok(number));
        }
        assert_eq!(channel.recv().await, Err(BufferError::Closed));
        assert_eq!(channel.recv_many(3).await, Err(BufferError::Closed));
        assert_eq!(channel.try_recv(), Err(BufferError::Closed));
        assert_eq!(channel.blocking_recv(), Err(BufferError::Closed));
        assert!(channel.is_closed());
    });
}

fn a_refused_item_comes_back_from_each_way_to_send<Q: Queue>() {
    let channel = channel::<Q>(4);
    channel.close();
    let closed = |item| (BufferError::Closed, item);
    assert_eq!(block_on(channel.send(1)).unwrap_err().into_parts(), closed(1));
    assert_eq!(channel.try_send(2).unwrap_err().into_parts(), closed(2));
    assert_eq!(channel.blocking_send(3).unwrap_err().into_parts(), closed(3));
    let (reason, items) = block_on(channel.send_batch(vec![4, 5])).unwrap_err().into_parts();
    assert_eq!((reason, items), (BufferError::Closed, vec![4, 5]));
    assert_eq!(block_on(channel.sink().send(6)).unwrap_err().into_parts(), closed(6));
}

fn threads_and_tasks_use_the_same_channel<Q: Queue>() {
    let channel = channel::<Q>(8);
    let received: Vec<u32> = thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..500 {
                channel.blocking_send(number).unwrap();
            }
            block_on(async {
                for number in 500..1_000 {
                    channel.send(number).await.unwrap();
                }
            });
            channel.close();
        });
        let mut received = Vec::new();
        for _ in 0..300 {
            received.push(channel.blocking_recv().unwrap());
        }
        block_on(async {
            while let Ok(number) = channel.recv().await {
                received.push(number);
            }
        });
        received
    });
    assert!(received.iter().copied().eq(0..1_000));
}

fn many_are_received_at_once<Q: Queue>() {
    let channel = channel::<Q>(64);
    channel.buffer().put(&[0, 1, 2, 3, 4]);
    block_on(async {
        assert_eq!(channel.recv_many(0).await, Ok(vec![]));
        assert_eq!(channel.recv_many(3).await, Ok(vec![0, 1, 2]));
        assert_eq!(channel.recv_many(usize::MAX).await, Ok(vec![3, 4]));
    });
    assert_eq!(channel.blocking_recv_many(3, Duration::ZERO), Ok(vec![]));
    thread::scope(|scope| {
        let many = scope.spawn(|| block_on(channel.recv_many(9)));
        // Before it sleeps it looks once more, and might see a part of the batch.
        until(|| channel.buffer().who_sleeps().0.tasks == 1);
        channel.buffer().put(&[5, 6]);
        assert_eq!(many.join().unwrap(), Ok(vec![5, 6]));
    });
}

fn a_sender_waits_for_room<Q: Queue>() {
    let channel = channel::<Q>(2);
    channel.buffer().put(&[0, 1]);
    let mut send = pin!(channel.send(2));
    assert!(send.as_mut().poll(&mut context()).is_pending());
    assert_eq!(channel.try_recv(), Ok(0));
    assert!(send.as_mut().poll(&mut context()).is_ready());
    let mut batch = pin!(channel.send_batch(vec![3, 4]));
    assert!(batch.as_mut().poll(&mut context()).is_pending());
    assert_eq!(block_on(channel.recv_many(2)), Ok(vec![1, 2]));
    assert!(batch.as_mut().poll(&mut context()).is_ready());
    assert_eq!(block_on(channel.recv_many(2)), Ok(vec![3, 4]));
    let (reason, items) = block_on(channel.send_batch(vec![0; 3])).unwrap_err().into_parts();
    assert_eq!((reason, items.len()), (BufferError::MaxCapacityReached(2), 3));
}

fn a_stream_ends_when_the_last_sink_of_the_channel_goes<Q: Queue>() {
    let channel = channel::<Q>(64);
    let (first, second) = (channel.sink(), channel.clone().sink());
    let third = second.clone();
    block_on(async {
        first.send(1).await.unwrap();
        drop(first);
        second.send(2).await.unwrap();
        drop(second);
        third.send(3).await.unwrap();
        assert!(!channel.is_closed());
        drop(third);
        assert!(channel.is_closed());
        let mut stream = channel.stream();
        assert!(!stream.is_terminated());
        assert_eq!(stream.by_ref().collect::<Vec<_>>().await, [1, 2, 3]);
        assert!(stream.is_terminated() && stream.error().is_none());
        assert_eq!((stream.next().await, stream.size_hint()), (None, (0, Some(0))));
    });
}

fn a_channel_that_has_no_sink_is_not_closed_by_a_clone_that_goes<Q: Queue>() {
    let channel = channel::<Q>(64);
    drop(channel.clone());
    drop(channel.stream());
    assert!(!channel.is_closed());
}

fn a_pair_ends_with_either_half<Q: Queue>() {
    let (stream, sink) = Q::of(8).stream_sink_pair();
    let other = sink.clone();
    block_on(async {
        sink.send(1).await.unwrap();
        drop(sink);
        other.send_batch(vec![2, 3]).await.unwrap();
        drop(other);
        assert_eq!(stream.collect::<Vec<_>>().await, [1, 2, 3]);
        // Nobody of the pair would take it.
        let (stream, sink) = Q::of(8).stream_sink_pair();
        drop(stream);
        assert_eq!(sink.send(4).await.unwrap_err().into_parts(), (BufferError::Closed, 4));
    });
}

fn a_stream_and_a_sink_of_a_shared_queue_close_nothing<Q: Queue>() {
    let queue = Q::of(8);
    block_on(Arc::clone(&queue).into_sink().send(1)).unwrap();
    assert_eq!(block_on(Arc::clone(&queue).into_stream().next()), Some(1));
    assert!(!queue.is_closed());
    // Behind `dyn`, too.
    let shared: Arc<dyn Parts<u32>> = queue;
    block_on(Arc::clone(&shared).into_sink().send(2)).unwrap();
    assert_eq!(block_on(shared.into_stream().next()), Some(2));
}

fn a_sink_is_ready_when_there_is_room<Q: Queue>() {
    let queue = Q::of(2);
    let mut sink = Arc::clone(&queue).into_sink();
    for number in 0..2 {
        until(|| is_ready(&mut sink));
        start(&mut sink, number).unwrap();
    }
    until(|| {
        assert!(!is_ready(&mut sink));
        queue.asleep() == (0, 1)
    });
    assert!(is_flushed(&mut sink), "nothing waits in the sink");
    assert_eq!(queue.take(1), [0]);
    until(|| is_ready(&mut sink));
    start(&mut sink, 2).unwrap();
    block_on(sink.flush()).unwrap();
    assert_eq!(queue.take(2), [1, 2]);
}

fn an_item_that_lost_its_room_waits_in_the_sink_and_goes_first<Q: Queue>() {
    let queue = Q::of(1);
    let mut sink = Arc::clone(&queue).into_sink();
    until(|| is_ready(&mut sink));
    queue.put(&[0]); // another producer was faster
    start(&mut sink, 1).unwrap();
    assert!(!is_flushed(&mut sink) && !is_ready(&mut sink));
    assert_eq!(queue.take(1), [0]);
    until(|| is_flushed(&mut sink));
    assert_eq!(queue.take(1), [1]);
    // An item that waits goes in when the sink is dropped, if there is room by then.
    queue.put(&[2]);
    start(&mut sink, 3).unwrap();
    assert_eq!(queue.take(1), [2]);
    drop(sink);
    assert_eq!(queue.take(1), [3]);
}

fn an_unsent_item_comes_back<Q: Queue>() {
    let queue = Q::of(1);
    queue.put(&[0]);
    let mut sink = Arc::clone(&queue).into_sink();
    start(&mut sink, 1).unwrap();
    assert_eq!(sink.clone().into_unsent(), None, "the clone does not have it");
    assert_eq!(sink.into_unsent(), Some(1));
    assert_eq!(queue.take(9), [0]);
}

fn a_sink_that_is_not_asked_whether_it_is_ready_loses_nothing<Q: Queue>() {
    let queue = Q::of(1);
    let mut sink = Arc::clone(&queue).into_sink();
    start(&mut sink, 0).unwrap();
    start(&mut sink, 1).unwrap();
    assert_eq!(start(&mut sink, 2), Err((BufferError::Full, 2)));
    assert_eq!(queue.take(1), [0]);
    start(&mut sink, 2).unwrap();
    assert_eq!(queue.take(1), [1]);
    assert!(is_flushed(&mut sink));
    assert_eq!(queue.take(1), [2]);
}

fn a_closed_sink_refuses_and_the_others_go_on<Q: Queue>() {
    let channel = channel::<Q>(8);
    let (mut sink, other) = (channel.sink(), channel.sink());
    block_on(async {
        SinkExt::send(&mut sink, 1).await.unwrap();
        sink.close().await.unwrap();
        assert_eq!(start(&mut sink, 2), Err((BufferError::Closed, 2)));
        assert_eq!(sink.send(3).await.unwrap_err().into_parts(), (BufferError::Closed, 3));
        other.send(4).await.unwrap();
        drop(other);
        assert!(channel.is_closed(), "the closed one does not count");
        assert_eq!(channel.stream().collect::<Vec<_>>().await, [1, 4]);
    });
}

fn a_sink_hears_that_the_queue_was_closed<Q: Queue>() {
    let queue = Q::of(1);
    queue.put(&[0]);
    let mut sink = Arc::clone(&queue).into_sink();
    start(&mut sink, 1).unwrap();
    assert!(!is_ready(&mut sink));
    queue.close();
    let flushed = block_on(sink.flush()).map_err(elasticq::Rejected::into_parts);
    assert_eq!(flushed, Err((BufferError::Closed, 1)));
    assert!(is_ready(&mut sink), "so that the next item is refused, and comes back");
    assert_eq!(start(&mut sink, 2), Err((BufferError::Closed, 2)));
}

fn a_sink_gives_back_the_unsent_item_and_the_one_behind_it<Q: Queue>() {
    let queue = Q::of(1);
    queue.put(&[0]);
    let mut sink = Arc::clone(&queue).into_sink();
    start(&mut sink, 1).unwrap();
    queue.close();
    assert_eq!(start(&mut sink, 2), Err((BufferError::Closed, 2)));
    let flushed = Pin::new(&mut sink).poll_flush(&mut context()).map_err(elasticq::Rejected::into_parts);
    assert_eq!(flushed, std::task::Poll::Ready(Err((BufferError::Closed, 1))));
    assert_eq!(queue.stats().messages_refused, 2);
}

fn a_stream_forwards_to_a_sink<Q: Queue>() {
    let (stream, sink) = Q::of(4).stream_sink_pair();
    let forward = stream::iter(0..100).map(Ok).forward(sink);
    let (sent, received) = block_on(futures::future::join(forward, stream.collect::<Vec<_>>()));
    sent.unwrap();
    assert!(received.into_iter().eq(0..100));
}

fn as_many_receivers_are_woken_as_there_are_items<Q: Queue>() {
    let channel = channel::<Q>(64);
    let (calls, waker) = counting();
    let mut streams: Vec<_> = (0..10).map(|_| channel.stream()).collect();
    for stream in &mut streams {
        assert!(poll(&mut stream.next(), &waker).is_pending());
    }
    assert_eq!(channel.buffer().asleep().0, 10);
    channel.buffer().put(&[1, 2, 3]);
    assert_eq!((calls.count(), channel.buffer().asleep().0), (3, 7));
    let received =
        streams.iter_mut().map(|stream| poll(&mut stream.next(), &waker).is_ready()).filter(|&ready| ready).count();
    assert_eq!((received, calls.count()), (3, 3));
    channel.close();
    assert_eq!(calls.count(), 10);
}

fn a_receiver_that_goes_passes_its_wake_up_on<Q: Queue>() {
    let channel = channel::<Q>(64);
    let ((_, first_waker), (second_calls, second_waker)) = (counting(), counting());
    let (mut first, mut second) = (channel.stream(), Box::pin(channel.recv()));
    poll_into_line(&**channel.buffer(), &mut first.next(), &first_waker);
    poll_into_line(&**channel.buffer(), &mut second, &second_waker);
    let before = second_calls.count();
    channel.try_send(7).unwrap();
    assert_eq!(second_calls.count(), before);
    drop(first);
    assert_eq!(second_calls.count(), before + 1);
    assert_eq!(block_on(second), Ok(7));
}

fn a_sender_that_goes_passes_its_wake_up_on<Q: Queue>() {
    let channel = channel::<Q>(1);
    channel.try_send(0).unwrap();
    let ((_, first_waker), (second_calls, second_waker)) = (counting(), counting());
    let (mut first, mut second) = (Box::pin(channel.sink()), Box::pin(channel.send(2)));
    let ready = first.as_mut().poll_ready(&mut Context::from_waker(&first_waker));
    assert!(ready.is_pending());
    assert!(poll(&mut second, &second_waker).is_pending());
    assert_eq!(channel.try_recv(), Ok(0));
    let keeps_it_open = channel.sink();
    drop(first);
    assert_eq!(second_calls.count(), 1);
    block_on(second).unwrap();
    drop(keeps_it_open);
}

fn what_was_refused_is_counted_once<Q: Queue>() {
    let channel = channel::<Q>(1);
    block_on(channel.send(0)).unwrap();
    let mut waits = Box::pin(channel.send(1));
    assert!(poll(&mut waits, Waker::noop()).is_pending());
    assert!(channel.try_send(2).is_err());
    assert_eq!(channel.buffer().stats().messages_refused, 1);
    channel.close();
    assert!(block_on(waits).is_err());
    assert_eq!(channel.buffer().stats().messages_refused, 2);
}

/// One place woke the task at the higher level, which goes. At the lower level another one waits, in a line
/// of its own.
#[test]
fn a_sender_that_goes_leaves_its_room_to_one_at_another_level() {
    type Levels = PriorityCircularBuffer<u32>;
    /// Each of these puts an item at the level in the middle.
    type Sender = fn(Arc<Levels>) -> Pin<Box<dyn Future<Output = bool>>>;
    const LONG: Duration = Duration::from_secs(30);
    let senders: [Sender; 3] = [
        |buffer| Box::pin(async { BufferChannel::new(buffer).send(1).await.is_ok() }),
        |buffer| Box::pin(async move { buffer.offer_async_timeout(1, LONG).await.is_ok() }),
        |buffer| {
            let mut sink = buffer.into_sink();
            Box::pin(poll_fn(move |context| Pin::new(&mut sink).poll_ready(context).map(|ready| ready.is_ok())))
        },
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter(); // for the timers
    for (number, sender) in senders.into_iter().enumerate() {
        let one = Config::default().with_min_capacity(1).with_initial_capacity(1).with_max_capacity(1);
        let config = PriorityConfig::default().with_base_config(one).with_max_capacity_at_priority(0, 1);
        let buffer = Arc::new(Levels::new(config).unwrap());
        buffer.push(0).unwrap();
        let ((first_calls, first_waker), (second_calls, second_waker)) = (counting(), counting());
        let mut first = sender(Arc::clone(&buffer));
        assert!(poll(&mut first, &first_waker).is_pending());
        let mut second = Box::pin(buffer.send_with_priority(2, 0));
        assert!(poll(&mut second, &second_waker).is_pending());
        assert_eq!(buffer.pop(), Ok(0));
        assert_eq!((first_calls.count(), second_calls.count()), (1, 0), "{number}");
        drop(first);
        assert_eq!(second_calls.count(), 1, "{number}");
        block_on(second).unwrap();
        assert_eq!(buffer.drain(), [2]);
    }
}

fn a_channel_tells_who_is_stuck_at_which_end<Q: Queue>() {
    let channel = channel::<Q>(1);
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(channel.blocking_recv(), Ok(7)));
        until(|| channel.waiters().item.threads == 1);
        assert_eq!(channel.waiters().room, Default::default());
        channel.blocking_send(7).unwrap();
    });
    channel.blocking_send(8).unwrap();
    let mut sent = pin!(channel.send(9));
    until(|| {
        assert!(sent.as_mut().poll(&mut context()).is_pending());
        channel.waiters().room.tasks == 1
    });
    assert_eq!(channel.waiters().item, Default::default());
}
