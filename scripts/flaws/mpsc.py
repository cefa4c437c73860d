"""The queue of many producers and one consumer, and what it shares with the queue of many consumers."""

from __future__ import annotations

from . import Mutant

MPSC = "rust/elasticq/src/lock_free/mpsc/consumer.rs"
RESIZE = "rust/elasticq/src/lock_free/chain/resize.rs"

MUTANTS = [
    Mutant(
        "mpsc-does-not-look-up-with-the-last-item",
        "rust/elasticq/src/lock_free/mpsc/consumer.rs",
        ".min(taker.pace.look_at).min(taker.empty_at);",
        ".min(taker.pace.look_at);",
        "burst_memory::a_consumer_who_takes_a_burst_to_its_last_item_and_looks_no_more_leaves_no_memory_behind",
    ),
    Mutant(
        "mpsc-moves-its-next-look-on",
        MPSC,
        "if taker.popped() >= taker.empty_at || taker.empty_at == u64::MAX {",
        "if true {",
        "burst_memory::a_queue_that_always_holds_many_items_follows_their_number",
    ),
    Mutant(
        "mpsc-shrinks-to-what-was-prepared",
        RESIZE,
        "for _ in 0..2 {",
        "for _ in 0..1 {",
        "loom_mpsc::the_last_item_takes_the_memory_along_after_a_shrink_that_failed",
    ),
    Mutant(
        "mpsc-publishes-before-it-writes",
        "rust/elasticq/src/lock_free/chain/segment.rs",
        """        slot.value.with_mut(|place| {
            // SAFETY: the claim""",
        """        slot.stamp.store(position + 1, Ordering::Release);
        slot.value.with_mut(|place| {
            // SAFETY: the claim""",
        "loom_mpsc::two_producers_and_a_consumer_lose_nothing",
    ),
    Mutant(
        "mpsc-batch-counts-the-ends-of-segments",
        MPSC,
        ".unwrap_or(usize::MAX).min(self.elasticity.max());",
        ".unwrap_or(usize::MAX);",
        "loom_mpsc::a_batch_holds_no_more_than_the_queue_can",
    ),
    Mutant(
        "mpsc-batch-that-waited-takes-one-too-many",
        MPSC,
        "        let wanted = max_items.min(there);\n",
        "        let wanted = max_items.min(there + 1);\n",
        "loom_mpsc::a_batch_that_waited_holds_no_more_than_the_queue_can",
    ),
    Mutant(
        "mpsc-stamp-without-a-position",
        "rust/elasticq/src/lock_free/chain/segment.rs",
        "self.stamp.load(Ordering::Acquire) == position + 1",
        "self.stamp.load(Ordering::Acquire) != 0 || position == u64::MAX",
        "loom_mpsc::room_reaches_a_producer_who_waits",
    ),
    Mutant(
        "mpsc-reopens-at-the-same-position",
        RESIZE,
        "let reopened = (end + 1) * ONE;",
        "let reopened = end * ONE;",
        "loom_mpsc::a_consumer_who_shrinks_and_a_producer_who_pushes_agree",
        also=(
            (
                RESIZE,
                "if base <= end {",
                "if base <= end && !segment.next.load(Ordering::SeqCst).is_null() {",
            ),
            (RESIZE, "let skipped = segment.skipped.load(Ordering::SeqCst) + 1;", "let skipped = 0;"),
            (RESIZE, "compare_exchange(UNSET, end + 1,", "compare_exchange(UNSET, end,"),
            (
                MPSC,
                "        taker.head += 1;\n        taker.skipped += 1; // the end itself carries no item\n",
                "",
            ),
            (MPSC, "position(tail) + 1 == taker.head", "position(tail) == taker.head"),
        ),
    ),
    Mutant(
        "mpsc-resizes-without-sealing",
        RESIZE,
        "if !ends || !self.seal(tail) {",
        "if !ends {",
        "loom_mpsc::a_consumer_who_shrinks_and_a_producer_who_pushes_agree",
    ),
    Mutant(
        "mpsc-retires-before-the-last-claim-is-published",
        MPSC,
        "if front.end.load(Ordering::SeqCst) != taker.head {",
        "if front.end.load(Ordering::SeqCst) == crate::lock_free::chain::OPEN {",
        "loom_mpsc::two_producers_who_fill_it_grow_it_together",
        also=(
            (
                MPSC,
                "taker.head += 1;\n        taker.skipped += 1; // the end itself carries no item",
                "taker.skipped += front.end.load(Ordering::SeqCst) + 1 - taker.head;\n"
                "        taker.head = front.end.load(Ordering::SeqCst) + 1;",
            ),
        ),
    ),
    Mutant(
        "mpsc-header-used-again-under-a-pin",
        MPSC,
        "if !taker.retired.is_empty() && self.cold.load(Ordering::SeqCst) == 0 {",
        "if !taker.retired.is_empty() {",
        "loom_mpsc::a_header_is_not_used_again_under_a_helper",
    ),
    Mutant(
        "mpsc-header-given-back-under-a-pin",
        RESIZE,
        "            self.retire(fresh);\n",
        "            self.keep_spare(fresh);\n",
        "loom_mpsc::a_header_given_back_meanwhile_leads_nobody_to_one_in_use",
    ),
    Mutant(
        "mpsc-links-over-another-link",
        RESIZE,
        """if segment.next.compare_exchange(ptr::null_mut(), fresh, Ordering::SeqCst, Ordering::SeqCst).is_err() {""",
        """segment.next.store(fresh, Ordering::SeqCst);
        if false {""",
        "loom_mpsc::two_helpers_link_one_segment",
    ),
    Mutant(
        "mpsc-limit-renewed-too-far",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "popped.saturating_add(capacity as u64)",
        "(popped + 1).saturating_add(capacity as u64)",
        "loom_mpsc::a_full_queue_refuses_and_gives_the_item_back",
    ),
    Mutant(
        "mpsc-guesses-beyond-the-limit",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "if first + count <= segment.limit.load(Ordering::Acquire) && self.claim(first * ONE, count) {",
        "if self.claim(first * ONE, count) {",
        "loom_mpsc::a_full_queue_refuses_and_gives_the_item_back",
    ),
    Mutant(
        "mpsc-claims-a-guess-without-looking",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "if first + count <= segment.limit.load(Ordering::Acquire) && self.claim(first * ONE, count) {",
        """if first + count <= segment.limit.load(Ordering::Acquire) {
                self.tail.store((first + count) * ONE, Ordering::SeqCst);""",
        "loom_mpsc::who_guesses_where_the_tail_is_claims_nothing_twice",
    ),
    Mutant(
        "mpsc-producer-raises-the-limit-too-far",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "segment.raise_limit(room);",
        "segment.raise_limit(room + 1);",
        "loom_mpsc::room_that_one_producer_finds_serves_another",
    ),
    Mutant(
        "mpsc-producer-raises-the-limit-of-another-segment",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "segment.raise_limit(room);",
        "self.current().raise_limit(room);",
        "loom_mpsc::room_found_in_a_segment_is_raised_in_no_other",
    ),
    Mutant(
        "mpsc-reopens-a-closed-queue",
        RESIZE,
        "compare_exchange(closed, reopened | CLOSED,",
        "compare_exchange(closed, reopened,",
        "loom_mpsc::a_queue_closed_while_it_grows_stays_closed_and_keeps_its_items",
    ),
    Mutant(
        "mpsc-shows-an-old-count",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "popped.clamp(pushed.saturating_sub(self.elasticity.max() as u64), pushed)",
        "popped.min(pushed)",
        "loom_mpsc::who_looks_never_sees_more_than_the_maximum",
    ),
    Mutant(
        "mpsc-sleeps-without-a-second-look",
        MPSC,
        "if position(tail) > taker.head || tail & CLOSED != 0 {",
        "if false {",
        "loom_mpsc::an_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "mpsc-push-wakes-nobody",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "if self.items.has_sleepers() {",
        "if false {",
        "loom_mpsc::an_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "mpsc-looks-for-sleepers-in-no-order",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "        order_seqcst(); // not in `wake_consumers`: the publishing store in between is in no such order\n",
        "",
        "loom_mpsc::an_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "mpsc-wakes-within-its-turn",
        MPSC,
        "        drop(turn);\n        self.tell_producers();",
        "        self.tell_producers();",
        "wakers::a_waker_called_by_one_that_takes_may_take_and_look",
    ),
    Mutant(
        "mpsc-room-wakes-nobody",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "            self.tell_of_room();\n",
        "",
        "loom_mpsc::room_reaches_a_producer_who_waits",
    ),
    Mutant(
        "mpsc-batch-waits-as-if-for-one-place",
        "rust/elasticq/src/lock_free/chain/timed.rs",
        "self.put_within(timeout, Signal::bulk_waiter,",
        "self.put_within(timeout, Signal::waiter,",
        "loom_mpsc::a_place_that_is_too_little_for_a_batch_reaches_who_waits_behind_it",
    ),
    Mutant(
        "mpsc-batch-sleeps-without-a-second-look",
        "rust/elasticq/src/wait/attempt.rs",
        "    let waiter = register();\n    match try_it() {",
        "    let waiter = register();\n    match None {",
        "loom_mpsc::room_for_all_reaches_a_batch_that_waits",
    ),
    Mutant(
        "mpsc-close-wakes-no-consumer",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "wake_each([self.items.told_all(), self.room.told_all()]);",
        "wake_each([self.room.told_all()]);",
        "loom_mpsc::the_last_producer_to_go_wakes_a_consumer_who_waits",
    ),
    Mutant(
        "mpsc-close-wakes-no-producer",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "wake_each([self.items.told_all(), self.room.told_all()]);",
        "wake_each([self.items.told_all()]);",
        "loom_mpsc::a_consumer_who_goes_wakes_a_producer_who_waits",
    ),
    Mutant(
        "mpsc-without-its-guard",
        MPSC,
        """        self.takers.consuming.take("the queue has one consumer, and another thread is taking")?;
""",
        "",
        "loom_mpsc::a_second_consumer_is_refused_and_nothing_breaks",
    ),
    Mutant(
        "mpsc-guard-hands-over-too-little",
        "rust/elasticq/src/lock_free/turns.rs",
        "self.0.store(NOBODY, Ordering::Release);",
        "self.0.store(NOBODY, Ordering::Relaxed);",
        "loom_mpsc::the_guard_hands_over_what_was_read",
    ),
    Mutant(
        "mpsc-publishes-in-no-order",
        "rust/elasticq/src/lock_free/chain/segment.rs",
        "slot.stamp.store(position + 1, Ordering::Release);",
        "slot.stamp.store(position + 1, Ordering::Relaxed);",
        "loom_mpsc::two_producers_and_a_consumer_lose_nothing",
    ),
    Mutant(
        "mpsc-gives-room-in-no-order",
        MPSC,
        "segment.limit.store(limit, Ordering::Release);",
        "segment.limit.store(limit, Ordering::Relaxed);",
        "loom_mpsc::the_guard_hands_over_what_was_read",
        also=(
            (
                MPSC,
                "self.takers.popped.store(popped, Ordering::Release);",
                "self.takers.popped.store(popped, Ordering::Relaxed);",
            ),
        ),
    ),
    Mutant(
        "mpsc-keeps-the-segment-that-it-has-shrunk",
        "rust/elasticq/src/lock_free/mpsc/consumer.rs",
        """                if !self.leave_drained(taker) {
                    return None;
                }
""",
        """                return None;
""",
        "burst_memory::a_look_at_an_empty_queue_leaves_no_memory_of_a_large_beginning_behind",
    ),
]
