"""The lock-based buffer, its lock and its waiting."""

from __future__ import annotations

from . import Mutant

MUTANTS = [
    Mutant(
        "locked-drops-what-makes-items-under-the-lock",
        "rust/elasticq/src/locked/parts.rs",
        """        let mut items = (0..count).map(make);
        let mut ring = self.ring.lock();
""",
        """        let mut ring = self.ring.lock();
        let mut items = (0..count).map(make);
""",
        "dropping::in_the_buffer_with_a_lock",
    ),
    Mutant(
        "closed-unused-in-two-steps",
        "rust/elasticq/src/locked/parts.rs",
        "            }\n            ring.seal();\n",
        "            }\n            drop(ring);\n            self.ring.lock().seal();\n",
        "loom::it_is_closed_unused_once_or_used",
    ),
    Mutant(
        "push-wakes-nobody",
        "rust/elasticq/src/locked/mod.rs",
        "self.not_empty.told(|| ring.len())",
        "self.not_empty.told(|| 0)",
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
        "        self.wake_who_can_go_on(ring);\n        Ok(evicted)\n",
        "        Ok(evicted)\n",
        "loom::room_that_evicting_leaves_reaches_a_producer_who_waits",
    ),
    Mutant(
        "evicting-in-two-steps",
        "rust/elasticq/src/locked/evicting.rs",
        "let evicted = ring.replace_oldest(item)?;",
        """drop(ring);
        let evicted = self.try_pop().map_err(|_| ()).unwrap();
        let mut ring = self.ring.lock();
        ring.push(&mut Some(item)).unwrap();""",
        "loom::what_is_forced_in_is_taken_evicted_or_there",
    ),
    Mutant(
        "taking-the-newest-wakes-nobody",
        "rust/elasticq/src/locked/newest.rs",
        "        self.wake_who_can_go_on(ring);\n        Ok(item)\n",
        "        Ok(item)\n",
        "loom::room_that_the_newest_item_leaves_reaches_a_producer_who_waits",
    ),
    Mutant(
        "taking-the-newest-ones-wakes-nobody",
        "rust/elasticq/src/locked/newest.rs",
        "            self.wake_who_can_go_on(ring);\n        } else if",
        "        } else if",
        "loom::room_that_the_newest_items_leave_reaches_a_producer_who_waits",
    ),
    Mutant(
        "newest-items-are-not-counted",
        "rust/elasticq/src/ring/mod.rs",
        "        self.newest = self.newest.wrapping_add(count as u64);\n",
        "",
        "locked_model::a_buffer_behaves_like_a_bounded_queue",
    ),
    Mutant(
        "watched-only-after-the-look",
        "rust/elasticq/src/locked/parts.rs",
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
        "rust/elasticq/src/wait/attempt.rs",
        "    let waiter = register();\n    match try_it() {",
        "    let waiter = register();\n    match None {",
        "loom::a_pushed_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "room-wakes-nobody",
        "rust/elasticq/src/locked/mod.rs",
        "self.not_full.told(|| ring.room())",
        "self.not_full.told(|| 0)",
        "loom::room_reaches_a_producer_who_waits",
    ),
    Mutant(
        "bulk-counts-as-single",
        "rust/elasticq/src/wait/list.rs",
        "if self.has_bulk() { self.waiting } else",
        "if false { self.waiting } else",
        "loom::one_free_place_is_not_lost_on_a_producer_who_needs_two",
    ),
    Mutant(
        "close-wakes-nobody",
        "rust/elasticq/src/locked/mod.rs",
        "wake_each([self.not_empty.told_all(), self.not_full.told_all()]);",
        "wake_each([self.not_full.told_all()]);",
        "loom::closing_wakes_who_waits",
    ),
    Mutant(
        "leaver-keeps-his-wake-up",
        "rust/elasticq/src/wait/list.rs",
        "if !passes_on || self.waiting == 0 {",
        "if true {",
        "loom::a_waiter_who_leaves_passes_his_wake_up_on",
    ),
    Mutant(
        "woken-forgets-who-else-sleeps",
        "rust/elasticq/src/ring/lock.rs",
        "if self.state.swap(AWAITED, Ordering::AcqRel) == FREE {",
        "if self.try_take() || self.state.swap(AWAITED, Ordering::AcqRel) == FREE {",
        "loom::lock::three_threads_exclude_each_other_and_none_sleeps_for_ever",
    ),
    Mutant(
        "unlocking-wakes-nobody",
        "rust/elasticq/src/ring/lock.rs",
        "            sleepers.wake(1);\n",
        "            let _ = sleepers;\n",
        "loom::lock::three_threads_exclude_each_other_and_none_sleeps_for_ever",
    ),
]
