//! Tasks around elastic queues: a stream that is forwarded to a sink, a channel to which a thread sends, and
//! `select!` with a signal to stop.

use elasticq::streams::{BufferChannel, BufferStreamExt};
use elasticq::{BufferError, Config, DynamicCircularBuffer};
use futures::StreamExt;
use std::sync::Arc;
use tokio::sync::oneshot;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BufferError> {
    // Readings come from a thread and are turned into lines by a task.
    let readings = BufferChannel::new(Arc::new(DynamicCircularBuffer::new(Config::default())?));
    let sensor = readings.sink();
    let thread = std::thread::spawn(move || {
        for reading in 0..1_000_u32 {
            futures::executor::block_on(sensor.send(reading)).expect("the channel is open");
        }
    }); // the channel is closed when its only sink goes

    let (lines, sink) = Arc::new(DynamicCircularBuffer::new(Config::default())?).stream_sink_pair();
    let formatted = readings.stream().map(|reading| Ok(format!("reading {reading}")));
    let formatting = tokio::spawn(formatted.forward(sink)); // with backpressure

    // Whoever takes the lines can be told to stop.
    let (stop, mut stopped) = oneshot::channel::<()>();
    let taking = tokio::spawn(async move {
        let (mut lines, mut count) = (lines, 0);
        loop {
            tokio::select! {
                line = lines.next() => match line {
                    Some(_) => count += 1,
                    None => break count,
                },
                _ = &mut stopped => break count,
            }
        }
    });

    formatting.await.expect("no panic").expect("the lines are taken");
    let count = taking.await.expect("no panic");
    drop(stop);
    thread.join().expect("no panic");
    println!("{count} lines");
    assert_eq!(count, 1_000);
    Ok(())
}
