//! Tests on a disk in memory. Those on a real one are in `tests/` of the crate, but for `storage`.

mod at_once;
mod cell;
mod damage;
mod disk;
mod ending;
mod hostile;
mod hurt;
mod memory;
mod model;
mod power;
mod ready;
mod rescue;
mod rescue_steps;
mod rescue_torn;
mod root;
mod storage;
mod tasks;

use super::config::{PersistentConfig, SyncMode};
use super::core::{Core, Extra};
use super::records;
use super::segment::named;
use crate::config::Config;
use crate::error::BufferResult;
use disk::Disk;
use std::sync::Arc;
use std::time::Duration;

/// Random numbers from a seed.
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

pub const MODES: [SyncMode; 3] =
    [SyncMode::NoSync, SyncMode::Periodic(Duration::from_secs(3600)), SyncMode::EveryWrite];

/// Settings with files as small as they can be.
pub fn small(mode: SyncMode) -> PersistentConfig {
    let base = Config::default().with_max_capacity(1_000_000);
    PersistentConfig::default().with_sync_mode(mode).with_segment_bytes(64 << 10).with_base_config(base)
}

/// Opens the queue without a thread of its own: every step is the test's.
pub fn open(disk: &Disk, config: PersistentConfig) -> BufferResult<Arc<Core>> {
    Core::open_quietly(Box::new(disk.clone()), config)
}

pub fn push(core: &Core, item: &[u8]) -> BufferResult<()> {
    core.put(&[item], Extra::default()).map(drop)
}

pub fn pop(core: &Core) -> BufferResult<Vec<u8>> {
    Ok(data(&core.pop(1)?.remove(0).payload))
}

pub fn data(payload: &[u8]) -> Vec<u8> {
    records::item(payload).unwrap().1.to_vec()
}

/// All items that can be taken. They stay.
pub fn items(core: &Core) -> BufferResult<Vec<Vec<u8>>> {
    let mut items = Vec::new();
    core.visit(&mut |item| {
        items.push(data(&item.payload));
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(items)
}

/// Their numbers.
pub fn numbers(core: &Core) -> Vec<u32> {
    items(core).unwrap().iter().map(|item| number(item)).collect()
}

/// The names of all segments, in order.
pub fn segments(disk: &Disk) -> Vec<String> {
    disk.names().into_iter().filter(|name| named(name).is_some()).collect()
}

/// An item that shows its number, and is so long that a few of them fill a file.
pub fn item(number: u32, length: usize) -> Vec<u8> {
    let mut item = number.to_le_bytes().to_vec();
    item.resize(length.max(4), number as u8);
    item
}

pub fn number(item: &[u8]) -> u32 {
    u32::from_le_bytes(item[..4].try_into().unwrap())
}
