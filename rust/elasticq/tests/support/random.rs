//! What tests that drop futures at random share.
#![allow(dead_code)] // each test binary uses its own part

use std::env;
use tokio::task::yield_now;

/// Random numbers. A failing test shows the seed; `ELASTICQ_SEED` sets another one.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let seed = env::var("ELASTICQ_SEED").map_or(1, |seed| seed.parse().unwrap());
        println!("ELASTICQ_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Ends after the other tasks had so many turns.
pub async fn after_turns(turns: u64) {
    for _ in 0..turns {
        yield_now().await;
    }
}
