"""The lock-based buffer, its lock and its waiting."""

from __future__ import annotations

from . import Mutant

MUTANTS = [
    Mutant(
        "locked-drops-what-makes-items-under-the-lock",
        "rust/elasticq/src/locked/blocks.rs",
        """        let mut items = (0..count).map(make);
        let mut ring = self.ring.lock();
""",
        """        let mut ring = self.ring.lock();
        let mut items = (0..count).map(make);
""",
        "dropping::in_the_buffer_with_a_lock",
    ),
    Mutant(
        "push-wakes-nobody",
        "rust/elasticq/src/locked/mod.rs",
        """if self.not_empty.has_sleepers() {
                self.not_empty.wake(count);""",
        """if false {
                self.not_empty.wake(count);""",
        "loom::a_pushed_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "forced-push-wakes-nobody",
        "rust/elasticq/src/locked/evicting.rs",
        "give_back(self.put_with_care(ring, &mut place), place)",
        "give_back(ring.push(&mut place), place)",
        "loom::a_forced_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "evicting-wakes-nobody",
        "rust/elasticq/src/locked/evicting.rs",
        "        self.wake_after_adding(ring, count);",
        "",
        "loom::room_that_evicting_leaves_reaches_a_producer_who_waits",
    ),
    Mutant(
        "evicting-in-two-steps",
        "rust/elasticq/src/locked/evicting.rs",
        "let evicted = ring.replace_oldest(item)?;",
        """drop(ring);
        let evicted = self.try_pop().map_err(|_| ()).unwrap();
        let mut ring = self.ring.lock();
        ring.push(item)?;""",
        "loom::what_is_forced_in_is_taken_evicted_or_there",
    ),
    Mutant(
        "taker-does-not-pass-on",
        "rust/elasticq/src/locked/mod.rs",
        "if more && self.not_empty.has_sleepers()",
        "if false && more && self.not_empty.has_sleepers()",
        "loom::two_items_in_a_row_reach_two_consumers_who_wait",
    ),
    Mutant(
        "watched-only-after-the-look",
        "rust/elasticq/src/locked/blocks.rs",
        "        self.ring.lock().watch();\n",
        "",
        "loom::a_pushed_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "watch-ends-under-a-sleeper",
        "rust/elasticq/src/locked/mod.rs",
        "if ring.is_watched() && !self.not_empty.has_sleepers() && !self.not_full.has_sleepers() {",
        "if ring.is_watched() {",
        "loom::a_pushed_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "sleep-without-a-second-look",
        "rust/elasticq/src/wait/sleep.rs",
        """        let Some(mut waiter) = self.waiter.take() else {
            self.waiter = Some((self.register)());
            return Ok(());
        };""",
        "        let mut waiter = self.waiter.take().unwrap_or_else(&self.register);",
        "loom::a_pushed_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "room-wakes-nobody",
        "rust/elasticq/src/locked/mod.rs",
        """if self.not_full.has_sleepers() {
                self.not_full.wake(count);""",
        """if false {
                self.not_full.wake(count);""",
        "loom::room_reaches_a_producer_who_waits",
    ),
    Mutant(
        "bulk-counts-as-single",
        "rust/elasticq/src/wait.rs",
        "let bulk = crowd.bulk.load(Ordering::SeqCst) != 0;",
        "let bulk = false;",
        "loom::one_free_place_is_not_lost_on_a_producer_who_needs_two",
    ),
    Mutant(
        "close-wakes-nobody",
        "rust/elasticq/src/locked/mod.rs",
        "        self.not_empty.wake(usize::MAX);\n",
        "",
        "loom::closing_wakes_who_waits",
    ),
    Mutant(
        "leaver-keeps-his-wake-up",
        "rust/elasticq/src/wait.rs",
        "        self.signal.sleepers.fetch_sub(1, Ordering::SeqCst);\n",
        """        self.signal.sleepers.fetch_sub(1, Ordering::SeqCst);
        if let Some(listener) = self.listener.take() {
            listener.discard();
        }
""",
        "loom::a_waiter_who_leaves_passes_his_wake_up_on",
    ),
    Mutant(
        "woken-forgets-who-else-sleeps",
        "rust/elasticq/src/ring/lock.rs",
        "if self.state.swap(AWAITED, Ordering::Acquire) == FREE {",
        "if self.try_take() || self.state.swap(AWAITED, Ordering::Acquire) == FREE {",
        "loom::lock::three_threads_exclude_each_other_and_none_sleeps_for_ever",
    ),
    Mutant(
        "unlocking-wakes-nobody",
        "rust/elasticq/src/ring/lock.rs",
        "        self.sleepers.notify(1);\n",
        "",
        "loom::lock::three_threads_exclude_each_other_and_none_sleeps_for_ever",
    ),
]
