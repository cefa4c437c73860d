//! Streams and sinks over the handles of a queue that was split: order, backpressure, the end, and what comes
//! back.
#![cfg(all(feature = "streams", feature = "lock_free", not(loom)))]

#[path = "support/handles.rs"]
mod handles;

use elasticq::streams::{BufferSink, PuttingEnd};
use elasticq::{BufferError, Rejected};
use futures::executor::block_on;
use futures::stream::FusedStream;
use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt, stream};
use handles::{Kind, Mpmc, Mpsc, Spsc, context, counting, of_all_three, pair, poll, two_threads};
use std::pin::Pin;
use std::task::{Context, Poll};

of_all_three! {
    a_stream_ends_behind_the_last_item_when_the_producer_is_gone
    a_stream_that_waits_ends_when_the_queue_is_closed
    a_stream_gives_its_handle_back
    what_a_stream_has_not_given_goes_with_it
    a_sink_is_ready_when_there_is_room
    a_sink_that_is_not_asked_whether_it_is_ready_loses_nothing
    an_unsent_item_comes_back_or_goes_in_when_the_sink_is_dropped
    a_closed_sink_lets_go_of_its_handle_and_refuses
    a_sink_hears_that_nobody_takes_any_more
    a_sink_hears_that_the_queue_was_closed
    a_sink_gives_back_the_unsent_item_and_the_one_behind_it
    a_stream_forwards_to_a_sink
}

fn is_ready<P: PuttingEnd<u32> + 'static>(sink: &mut BufferSink<u32, P>) -> bool {
    Pin::new(sink).poll_ready(&mut context()).map(Result::unwrap).is_ready()
}

fn is_flushed<P: PuttingEnd<u32> + 'static>(sink: &mut BufferSink<u32, P>) -> bool {
    Pin::new(sink).poll_flush(&mut context()).map(Result::unwrap).is_ready()
}

fn start<P: PuttingEnd<u32> + 'static>(sink: &mut BufferSink<u32, P>, item: u32) -> Result<(), (BufferError, u32)> {
    Pin::new(sink).start_send(item).map_err(Rejected::into_parts)
}

fn a_stream_ends_behind_the_last_item_when_the_producer_is_gone<K: Kind>() {
    let (mut sink, mut stream) = pair::<K>(8);
    block_on(async {
        for number in 0..5 {
            K::send_in(&mut sink, number).await.unwrap();
        }
        assert_eq!(stream.next().await, Some(0));
        drop(sink);
        assert!(!stream.is_terminated());
        assert_eq!(stream.by_ref().collect::<Vec<_>>().await, [1, 2, 3, 4]);
        assert!(stream.is_terminated() && stream.error().is_none());
        assert_eq!((stream.next().await, stream.size_hint()), (None, (0, Some(0))));
    });
}

fn a_stream_that_waits_ends_when_the_queue_is_closed<K: Kind>() {
    let (put, take) = K::split(8);
    let (mut stream, (calls, waker)) = (K::stream(take), counting());
    assert!(poll(&mut stream.next(), &waker).is_pending());
    K::close(&put);
    assert_eq!(calls.count(), 1);
    assert_eq!(poll(&mut stream.next(), &waker), Poll::Ready(None));
}

fn a_stream_gives_its_handle_back<K: Kind>() {
    let (mut put, take) = K::split(8);
    let mut stream = K::stream(take);
    assert!(stream.next().now_or_never().is_none(), "it waits");
    block_on(K::send_batch(&mut put, vec![1, 2, 3])).unwrap();
    assert_eq!(block_on(stream.next()), Some(1));
    let mut take = stream.into_end();
    assert_eq!(K::try_take(&mut take), Ok(Some(2)));
    assert_eq!(block_on(K::stream(take).next()), Some(3));
}

fn what_a_stream_has_not_given_goes_with_it<K: Kind>() {
    let (mut put, take) = K::split(8);
    block_on(K::send_batch(&mut put, vec![1, 2, 3])).unwrap();
    let mut stream = K::stream(take);
    assert_eq!(block_on(stream.next()), Some(1));
    drop(stream);
    let stats = K::stats(&put);
    assert_eq!((stats.messages_dequeued, stats.messages_dropped, stats.current_size), (1, 2, 0));
    assert_eq!(block_on(K::send(&mut put, 4)).unwrap_err().into_parts(), (BufferError::Closed, 4));
}

fn a_sink_is_ready_when_there_is_room<K: Kind>() {
    let (mut sink, mut stream) = pair::<K>(2);
    for number in 0..2 {
        assert!(is_ready(&mut sink));
        start(&mut sink, number).unwrap();
    }
    let (calls, waker) = counting();
    assert!(Pin::new(&mut sink).poll_ready(&mut Context::from_waker(&waker)).is_pending());
    assert!(is_flushed(&mut sink), "nothing waits in the sink");
    assert_eq!((calls.count(), block_on(stream.next())), (0, Some(0)));
    assert_eq!(calls.count(), 1);
    assert!(is_ready(&mut sink));
    start(&mut sink, 2).unwrap();
    block_on(sink.flush()).unwrap();
    drop(sink);
    assert_eq!(block_on(stream.collect::<Vec<_>>()), [1, 2]);
}

fn a_sink_that_is_not_asked_whether_it_is_ready_loses_nothing<K: Kind>() {
    let (mut sink, mut stream) = pair::<K>(1);
    start(&mut sink, 0).unwrap();
    start(&mut sink, 1).unwrap();
    assert!(!is_flushed(&mut sink) && !is_ready(&mut sink));
    assert_eq!(start(&mut sink, 2), Err((BufferError::Full, 2)));
    for number in 0..3 {
        assert_eq!(block_on(stream.next()), Some(number));
        if number == 0 {
            start(&mut sink, 2).unwrap();
        } else {
            assert!(is_flushed(&mut sink));
        }
    }
}

fn an_unsent_item_comes_back_or_goes_in_when_the_sink_is_dropped<K: Kind>() {
    for room in [false, true] {
        let (mut sink, mut stream) = pair::<K>(1);
        start(&mut sink, 0).unwrap();
        start(&mut sink, 1).unwrap();
        if room {
            assert_eq!(block_on(stream.next()), Some(0));
            drop(sink);
            assert_eq!(block_on(stream.collect::<Vec<_>>()), [1]);
        } else {
            assert_eq!(sink.into_unsent(), Some(1));
            assert_eq!(block_on(stream.collect::<Vec<_>>()), [0]);
        }
    }
}

fn a_closed_sink_lets_go_of_its_handle_and_refuses<K: Kind>() {
    let (mut sink, stream) = pair::<K>(8);
    block_on(async {
        SinkExt::send(&mut sink, 1).await.unwrap();
        sink.close().await.unwrap();
        assert!(sink.end().is_none());
        assert!(is_ready(&mut sink), "so that the next item is refused, and comes back");
        assert_eq!(start(&mut sink, 2), Err((BufferError::Closed, 2)));
        assert_eq!(K::send_in(&mut sink, 3).await.unwrap_err().into_parts(), (BufferError::Closed, 3));
        assert_eq!(stream.collect::<Vec<_>>().await, [1], "it ends, though the sink is still there");
    });
}

fn a_sink_hears_that_nobody_takes_any_more<K: Kind>() {
    let (mut sink, stream) = pair::<K>(1);
    start(&mut sink, 0).unwrap();
    let (calls, waker) = counting();
    assert!(Pin::new(&mut sink).poll_ready(&mut Context::from_waker(&waker)).is_pending());
    drop(stream);
    assert!(calls.count() > 0);
    assert!(is_ready(&mut sink), "so that the next item is refused, and comes back");
    assert_eq!(start(&mut sink, 1), Err((BufferError::Closed, 1)));
}

fn a_sink_hears_that_the_queue_was_closed<K: Kind>() {
    let (mut sink, stream) = pair::<K>(1);
    start(&mut sink, 0).unwrap();
    start(&mut sink, 1).unwrap();
    assert!(!is_ready(&mut sink));
    K::close(sink.end().unwrap());
    let flushed = Pin::new(&mut sink).poll_flush(&mut context()).map_err(Rejected::into_parts);
    assert_eq!(flushed, Poll::Ready(Err((BufferError::Closed, 1))));
    assert!(is_ready(&mut sink), "so that the next item is refused, and comes back");
    assert_eq!(start(&mut sink, 2), Err((BufferError::Closed, 2)));
    assert_eq!(block_on(stream.collect::<Vec<_>>()), [0]);
}

fn a_sink_gives_back_the_unsent_item_and_the_one_behind_it<K: Kind>() {
    let (mut sink, stream) = pair::<K>(1);
    start(&mut sink, 0).unwrap();
    start(&mut sink, 1).unwrap();
    drop(stream);
    assert_eq!(start(&mut sink, 2), Err((BufferError::Closed, 2)));
    let flushed = Pin::new(&mut sink).poll_flush(&mut context()).map_err(Rejected::into_parts);
    assert_eq!(flushed, Poll::Ready(Err((BufferError::Closed, 1))));
    assert_eq!(K::stats(sink.end().unwrap()).messages_refused, 2);
}

fn a_stream_forwards_to_a_sink<K: Kind>() {
    let (sink, stream) = pair::<K>(4);
    let forward = stream::iter(0..1_000).map(Ok).forward(sink);
    let (sent, received) = block_on(futures::future::join(forward, stream.collect::<Vec<_>>()));
    sent.unwrap();
    assert!(received.into_iter().eq(0..1_000));
}

// ---- where there are several handles of a kind

#[test]
fn a_stream_ends_when_the_last_of_several_sinks_goes() {
    let (first, stream) = pair::<Mpsc>(8);
    let (second, third) = (first.clone(), first.clone());
    let mut third = third;
    block_on(async {
        first.send(1).await.unwrap();
        drop(first);
        second.send_batch(vec![2, 3]).await.unwrap();
        drop(second);
        third.send(4).await.unwrap();
        assert!(!third.end().unwrap().is_closed());
        third.close().await.unwrap();
        assert_eq!(stream.collect::<Vec<_>>().await, [1, 2, 3, 4]);
    });
}

#[test]
fn sinks_go_on_until_the_last_of_several_streams_goes() {
    let (sink, first) = pair::<Mpmc>(8);
    let second = first.into_end();
    let (first, second) = (second.clone().into_stream(), second.into_stream());
    block_on(async {
        sink.send(1).await.unwrap();
        drop(first);
        sink.send(2).await.unwrap();
        drop(second);
        assert_eq!(sink.send(3).await.unwrap_err().into_parts(), (BufferError::Closed, 3));
    });
}

#[test]
fn as_many_streams_are_woken_as_there_are_items() {
    let (put, take) = Mpmc::split(64);
    let (calls, waker) = counting();
    let mut streams: Vec<_> = (0..10).map(|_| take.clone().into_stream()).collect();
    for stream in &mut streams {
        assert!(poll(&mut stream.next(), &waker).is_pending());
    }
    put.offer_batch(vec![1, 2, 3]).unwrap();
    assert_eq!(calls.count(), 3);
    let received = streams.iter_mut().filter_map(|stream| poll(&mut stream.next(), &waker).is_ready().then_some(()));
    assert_eq!((received.count(), calls.count()), (3, 3));
    drop(put);
    assert_eq!(calls.count(), 10);
}

#[test]
fn a_stream_that_goes_passes_its_wake_up_on() {
    let (put, take) = Mpmc::split(64);
    let ((_, first_waker), (second_calls, second_waker)) = (counting(), counting());
    let (mut first, mut second) = (take.clone().into_stream(), take.into_stream());
    assert!(poll(&mut first.next(), &first_waker).is_pending());
    assert!(poll(&mut second.next(), &second_waker).is_pending());
    put.offer(7).unwrap();
    assert_eq!(second_calls.count(), 0);
    drop(first);
    assert_eq!(second_calls.count(), 1);
    assert_eq!(block_on(second.next()), Some(7));
}

/// Also one that was ready already: it leaves the room to the next.
#[test]
fn a_sink_that_goes_passes_its_wake_up_on() {
    for was_ready in [false, true] {
        let (mut first, mut stream) = pair::<Mpsc>(1);
        block_on(first.send(0)).unwrap();
        let mut second = first.clone();
        let ((_, first_waker), (second_calls, second_waker)) = (counting(), counting());
        assert!(Pin::new(&mut first).poll_ready(&mut Context::from_waker(&first_waker)).is_pending());
        assert!(Pin::new(&mut second).poll_ready(&mut Context::from_waker(&second_waker)).is_pending());
        assert_eq!(block_on(stream.next()), Some(0));
        assert_eq!(second_calls.count(), 0);
        if was_ready {
            assert!(is_ready(&mut first));
        }
        drop(first);
        assert_eq!(second_calls.count(), 1);
        assert!(is_ready(&mut second));
    }
}

#[test]
fn many_sinks_and_streams_share_a_queue() {
    const EACH: u32 = 5_000;
    let (sink, stream) = pair::<Mpmc>(64);
    two_threads().block_on(async {
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let numbers = stream::iter(sender * EACH..(sender + 1) * EACH).map(Ok);
                tokio::spawn(numbers.forward(sink.clone()))
            })
            .collect();
        drop(sink);
        let take = stream.into_end();
        let receivers: Vec<_> = (0..4).map(|_| tokio::spawn(take.clone().into_stream().collect::<Vec<_>>())).collect();
        drop(take);
        for sender in senders {
            sender.await.unwrap().unwrap();
        }
        let mut received = Vec::new();
        for receiver in receivers {
            let items = receiver.await.unwrap();
            for sender in 0..4 {
                let of_one = items.iter().filter(|&&item| item / EACH == sender);
                assert!(of_one.is_sorted(), "in the order in which it sent them");
            }
            received.extend(items);
        }
        received.sort_unstable();
        assert!(received.into_iter().eq(0..4 * EACH));
    });
}

#[test]
fn they_may_go_to_other_threads() {
    fn sends<T: Send + Sync>(_: &T) {}
    let (sink, stream) = pair::<Spsc>(4);
    sends(&(sink, stream));
    let (sink, stream) = pair::<Mpmc>(4);
    sends(&(sink, stream));
}
