"""The buffer with levels: which waiter is woken, and at which level."""

from __future__ import annotations

from . import Mutant

WAKE = "rust/elasticq/src/priority/wake.rs"
TIMED = "rust/elasticq/src/priority/timed.rs"

MUTANTS = [
    Mutant(
        "levels-closed-unused-in-two-steps",
        "rust/elasticq/src/priority/parts.rs",
        "            }\n            levels.seal();\n",
        "            }\n            drop(levels);\n            self.levels.lock().seal();\n",
        "loom_priority::it_is_closed_unused_once_or_used",
    ),
    Mutant(
        "levels-push-wakes-nobody",
        WAKE,
        "            waking.wake(&ready.items);\n",
        "",
        "loom_priority::a_pushed_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "levels-room-wakes-nobody",
        WAKE,
        "        wake_producers(ready.places, ready.at, &mut waking);\n",
        "",
        "loom_priority::room_reaches_a_producer_who_waits",
    ),
    Mutant(
        "levels-consumer-watched-only-after-the-look",
        WAKE,
        "        self.levels.lock().watch_for_consumers();\n",
        "",
        "loom_priority::a_pushed_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "levels-producer-watched-only-after-the-look",
        WAKE,
        "        self.levels.lock().watch_for_producers(self.signal_for(priority));\n",
        "",
        "loom_priority::room_reaches_a_producer_who_waits",
    ),
    Mutant(
        "levels-watch-ends-under-a-consumer",
        WAKE,
        "levels.unwatch(self.not_empty.has_sleepers(), waited_at);",
        "levels.unwatch(false, waited_at);",
        "loom_priority::two_items_of_two_levels_reach_two_consumers_who_wait",
    ),
    Mutant(
        "levels-watch-ends-under-a-producer",
        WAKE,
        "levels.unwatch(self.not_empty.has_sleepers(), waited_at);",
        "levels.unwatch(self.not_empty.has_sleepers(), waited_at & waited_at.wrapping_sub(1));",
        "loom_priority::a_place_at_a_high_level_is_not_lost_on_one_who_waits_at_a_low_one",
    ),
    Mutant(
        "levels-share-a-signal-though-they-have-limits",
        "rust/elasticq/src/priority/mod.rs",
        "let signals = if config.max_capacity_at_priority.is_empty() { 1 } else { count };",
        "let signals = 1;",
        "loom_priority::room_at_a_level_reaches_who_waits_for_it_past_one_who_waits_at_another",
    ),
    Mutant(
        "a-full-level-is-woken",
        WAKE,
        "levels.room(signal)",
        "levels.room_in_all()",
        "loom_priority::room_at_a_level_reaches_who_waits_for_it_past_one_who_waits_at_another",
    ),
    Mutant(
        "only-the-highest-who-waits-is-woken",
        WAKE,
        "self.not_full.iter().enumerate()",
        "self.not_full.iter().enumerate().take(1 + waited_at.trailing_zeros() as usize)",
        "loom_priority::room_at_a_level_reaches_who_waits_for_it_past_one_who_waits_at_another",
    ),
    Mutant(
        "who-gives-up-does-not-look-for-another-level",
        WAKE,
        "        self.0.wake_who_can_go_on(self.0.levels.lock());\n",
        "",
        "loom_priority::who_gives_up_passes_his_wake_up_on_to_another_level",
    ),
    Mutant(
        "a-place-too-few-for-a-batch-is-offered-to-nobody-else",
        "rust/elasticq/src/wait/waking.rs",
        "promised = if list.has_bulk() { 0 } else {",
        "promised = if false { 0 } else {",
        "loom_priority::one_free_place_is_not_lost_on_a_batch_of_another_level_that_needs_two",
    ),
    Mutant(
        "levels-close-wakes-no-consumer",
        "rust/elasticq/src/priority/mod.rs",
        "wake_each(std::iter::once(&self.not_empty).chain(&self.not_full).map(",
        "wake_each(self.not_full.iter().map(",
        "loom_priority::closing_wakes_who_waits_for_an_item",
    ),
    Mutant(
        "levels-close-wakes-one-level",
        "rust/elasticq/src/priority/mod.rs",
        ".chain(&self.not_full)",
        ".chain(self.not_full.iter().take(1))",
        "loom_priority::closing_wakes_who_waits_for_room_at_any_level",
    ),
    Mutant(
        "task-sleeps-without-a-second-look",
        "rust/elasticq/src/wait/attempt.rs",
        "    let waiter = register();\n    match try_it() {",
        "    let waiter = register();\n    match None {",
        "loom_priority::tasks_are_woken_as_threads_are",
    ),
    Mutant(
        "levels-who-goes-on-before-he-sleeps-passes-nothing-on",
        TIMED,
        "        let _leaving = Leaving(self); // dropped after the waiter\n        block(timeout, || try_briefly_or_register(&mut put, &register))\n",
        "        let leaving = Leaving(self);\n        let settled = block(timeout, || try_briefly_or_register(&mut put, &register));\n        std::mem::forget(leaving);\n        settled\n",
        "loom_priority::one_place_after_the_other_reaches_two_who_wait_at_two_levels",
    ),
    Mutant(
        "levels-task-that-goes-on-before-it-sleeps-passes-nothing-on",
        TIMED,
        """        let register = move || {
            leaving.get_or_insert(Leaving(self));
""",
        """        let register = move || {
            leaving.get_or_insert(Leaving(self));
            std::mem::forget(leaving.take());
""",
        "loom_priority::one_place_after_the_other_reaches_two_tasks_that_wait_at_two_levels",
    ),
]
