//! Jobs that outlive the process: each is done, also if a worker fails on it, and none is started for ever.
//!
//!     cargo run --example durable_jobs --features persistent

use elasticq::BufferError;
use elasticq::persistent::{PersistentCircularBuffer, PersistentConfig, PushOptions, SyncMode};
use std::time::Duration;

fn main() -> Result<(), BufferError> {
    let folder = tempfile::tempdir().expect("a folder for the example");
    let config = PersistentConfig::default()
        .with_file_path(folder.path().join("jobs"))
        .with_sync_mode(SyncMode::EveryWrite) // a job that is accepted survives a power cut
        .with_max_deliveries(2);

    let jobs = PersistentCircularBuffer::<String>::new(config.clone())?;
    jobs.push("resize a.png".into())?;
    jobs.push("resize broken.png".into())?;
    let once = PushOptions::default().with_id("report of May");
    assert!(jobs.push_with("report".into(), &once)?);
    assert!(!jobs.push_with("report".into(), &once)?, "the same request again adds nothing");
    drop(jobs); // the process ends

    let jobs = PersistentCircularBuffer::<String>::new(config)?;
    println!("{} jobs are waiting", jobs.len());
    while let Ok(job) = jobs.lease_within(Duration::from_millis(10), Some(Duration::from_secs(60))) {
        if job.contains("broken") {
            println!("{:?} fails, delivery {}", *job, job.deliveries());
            job.nack(Duration::ZERO)?; // it goes back to its place, until it was delivered too often
        } else {
            println!("{:?} is done", job.ack()?);
        }
    }
    for dead in jobs.dead_letters()? {
        println!("{:?} was given up: {}", dead.item, dead.reason);
    }
    assert_eq!((jobs.len(), jobs.stats().dead), (0, 1));
    Ok(())
}
