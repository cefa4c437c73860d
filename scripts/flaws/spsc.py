"""The queue of one producer and one consumer."""

from __future__ import annotations

from . import Mutant

MUTANTS = [
    Mutant(
        "spsc-publishes-relaxed",
        "rust/elasticq/src/lock_free/spsc/producer.rs",
        "self.tail.store(maker.position, Ordering::Release);",
        "self.tail.store(maker.position, Ordering::Relaxed);",
        "loom_spsc::items_come_out_in_order_while_a_full_queue_is_refilled",
    ),
    Mutant(
        "spsc-batch-goes-on-in-the-next-lap",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "to_usize(taker.cursor.limit.min(end) - taker.cursor.position)",
        "to_usize(taker.cursor.limit - taker.cursor.position)",
        "loom_spsc::a_batch_ends_with_what_was_there",
    ),
    Mutant(
        "spsc-batch-that-waited-has-no-end",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "                end = self.published(taker);\n",
        "                end = OPEN - 1;\n",
        "loom_spsc::a_batch_that_waited_holds_no_more_than_the_queue_can",
    ),
    Mutant(
        "spsc-second-look-for-a-batch-takes-one",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        """        let look = || unless_none(self.pop_more(taker, items, max_items), items, max_items);
""",
        """        let mut most = max_items;
        let look = || {
            let looked = self.pop_more(taker, items, most);
            most = most.min(1);
            unless_none(looked, items, max_items)
        };
""",
        "loom_spsc::a_batch_that_comes_between_two_looks_is_taken_whole",
    ),
    Mutant(
        "spsc-releases-relaxed",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "self.head.store(taker.cursor.position, Ordering::Release);",
        "self.head.store(taker.cursor.position, Ordering::Relaxed);",
        "loom_spsc::items_come_out_in_order_while_a_full_queue_is_refilled",
    ),
    Mutant(
        "spsc-forgets-what-the-consumer-holds",
        "rust/elasticq/src/lock_free/spsc/producer.rs",
        "maker.set_limit(head.saturating_add(maker.segment().capacity as u64));",
        "maker.set_limit(u64::MAX);",
        "loom_spsc::a_lap_that_begins_before_the_last_one_was_taken_overwrites_nothing",
    ),
    Mutant(
        "spsc-links-relaxed",
        "rust/elasticq/src/lock_free/spsc/segment.rs",
        "self.next.store(next, Ordering::Release);",
        "self.next.store(next, Ordering::Relaxed);",
        "loom_spsc::a_queue_that_grows_under_the_consumer_loses_nothing",
    ),
    Mutant(
        "spsc-looks-past-the-end",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        " && taker.cursor.segment().is_plain();",
        ";",
        "loom_spsc::a_queue_that_grows_under_the_consumer_loses_nothing",
    ),
    Mutant(
        "spsc-searches-past-the-end",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "Some((_, end)) => tail.min(end),",
        "Some(_) => tail,",
        "loom_spsc::a_queue_that_grows_in_the_middle_of_a_lap_loses_nothing",
    ),
    Mutant(
        "spsc-links-after-publishing",
        "rust/elasticq/src/lock_free/spsc/producer.rs",
        "        maker.segment().link(fresh, maker.position);\n",
        """        let old = std::ptr::from_ref(maker.segment());
        self.tail.store(maker.position + 1, Ordering::Release);
        unsafe { &*old }.link(fresh, maker.position);
""",
        "loom_spsc::a_queue_that_grows_under_the_consumer_loses_nothing",
    ),
    Mutant(
        "spsc-shrinks-without-the-turn",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        """if self.producing.compare_exchange(NOBODY, CONSUMER, Ordering::Acquire, Ordering::Relaxed).is_ok() {""",
        "if self.producing.load(Ordering::Relaxed) < 3 {",
        "loom_spsc::a_consumer_who_shrinks_the_queue_and_a_producer_agree",
    ),
    Mutant(
        "spsc-never-asks-to-shrink",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "self.notes.fetch_or(SPARSE, Ordering::SeqCst);",
        "",
        "loom_spsc::the_producer_shrinks_a_queue_that_the_consumer_has_emptied",
    ),
    Mutant(
        "spsc-publish-wakes-nobody",
        "rust/elasticq/src/lock_free/spsc/producer.rs",
        "            self.tell_who_waits(CONSUMER_SLEEPS);\n",
        "",
        "loom_spsc::an_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "spsc-publishes-without-barrier",
        "rust/elasticq/src/lock_free/spsc/producer.rs",
        """        often();
        if self.notes""",
        "        if self.notes",
        "loom_spsc::an_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "spsc-releases-without-barrier",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        """        often();
        if self.notes""",
        "        if self.notes",
        "loom_spsc::freed_room_reaches_the_producer_who_waits",
    ),
    Mutant(
        "spsc-batch-sleeps-without-a-second-look",
        "rust/elasticq/src/wait/attempt.rs",
        "    let waiter = register();\n    match try_it() {",
        "    let waiter = register();\n    match None {",
        "loom_spsc::room_for_all_reaches_a_batch_that_waits",
    ),
    Mutant(
        "spsc-wakes-within-its-turn",
        "rust/elasticq/src/lock_free/spsc/core.rs",
        "        drop(turn);\n        self.tell_producer();",
        "        self.tell_producer();",
        "wakers::a_waker_called_by_one_that_takes_may_take_and_look",
    ),
    Mutant(
        "spsc-release-wakes-nobody",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "            self.tell_who_waits(PRODUCER_SLEEPS);\n",
        "",
        "loom_spsc::freed_room_reaches_the_producer_who_waits",
    ),
    Mutant(
        "spsc-sleeps-without-barrier",
        "rust/elasticq/src/lock_free/spsc/core.rs",
        "        // Between noting it and looking. The other half: `often` in `publish` and in `tell_producer`.\n        rarely();\n",
        "",
        "loom_spsc::an_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "spsc-sleeps-without-a-second-look",
        "rust/elasticq/src/wait/attempt.rs",
        "    let waiter = register();\n    match try_it() {",
        "    let waiter = register();\n    match None {",
        "loom_spsc::an_item_reaches_a_consumer_who_waits",
    ),
    Mutant(
        "spsc-closing-wakes-no-consumer",
        "rust/elasticq/src/lock_free/spsc/core.rs",
        "wake_each([self.items.told_all(), self.room.told_all()]);",
        "wake_each([self.room.told_all()]);",
        "loom_spsc::closing_wakes_a_consumer_and_a_producer_who_wait",
    ),
    Mutant(
        "spsc-closing-wakes-no-producer",
        "rust/elasticq/src/lock_free/spsc/core.rs",
        "wake_each([self.items.told_all(), self.room.told_all()]);",
        "wake_each([self.items.told_all()]);",
        "loom_spsc::closing_wakes_a_consumer_and_a_producer_who_wait",
    ),
    Mutant(
        "spsc-push-overlooks-the-closing",
        "rust/elasticq/src/lock_free/spsc/producer.rs",
        "notes & CLOSED == 0 || self.settle(tail) >= tail",
        "true",
        "loom_spsc::an_item_pushed_while_the_queue_is_closed_is_in_or_comes_back",
    ),
    Mutant(
        "spsc-ends-without-settling",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "taker.last = self.settle(cursor.position);",
        "taker.last = cursor.position;",
        "loom_spsc::an_item_pushed_while_the_queue_is_closed_is_in_or_comes_back",
    ),
    Mutant(
        "spsc-ends-without-barrier",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        """                rarely();
                taker.knows_closed""",
        "                taker.knows_closed",
        "loom_spsc::the_end_is_found_only_after_the_last_item_whoever_closes",
    ),
    Mutant(
        "spsc-looks-beyond-the-end-of-a-closed-queue",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "self.tail.load(Ordering::Acquire).min(taker.last)",
        "self.tail.load(Ordering::Acquire)",
        "loom_spsc::an_item_pushed_while_the_queue_is_closed_is_in_or_comes_back",
    ),
    Mutant(
        "spsc-keeps-the-segment-of-the-last-item",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        """        self.tidy(taker);
        item""",
        """        if !taker.cursor.is_at_limit() {
            self.tidy(taker);
        }
        item""",
        "burst_memory::a_consumer_who_takes_a_burst_to_its_last_item_and_looks_no_more_leaves_no_memory_behind",
    ),
    Mutant(
        "spsc-batch-leaves-the-last-item-to-the-plain-way",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "if !taker.cursor.segment().is_plain() {",
        "if taker.cursor.is_at_limit() && !taker.cursor.segment().is_plain() {",
        "burst_memory::a_burst_that_is_taken_in_a_batch_and_then_one_by_one_leaves_no_memory_behind",
    ),
    Mutant(
        "spsc-overlooks-that-little-is-left",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "next.is_none() && tail - cursor.position < cursor.segment().sparse as u64;",
        "next.is_none() && tail == cursor.position && cursor.segment().sparse > 0;",
        "burst_memory::a_consumer_who_never_finds_the_queue_empty_leaves_no_memory_behind",
    ),
    Mutant(
        "spsc-leaves-a-segment-with-items",
        "rust/elasticq/src/lock_free/spsc/segment.rs",
        ".filter(|(_, end)| *end == self.position) else",
        " else",
        "loom_spsc::the_producer_shrinks_a_queue_whose_consumer_counts",
    ),
    Mutant(
        "spsc-drops-the-item-in-its-turn",
        "rust/elasticq/src/lock_free/spsc/mod.rs",
        """        let mut place = Some(item);
        let put = match self.core.producer_turn() {
            Ok(turn) => self.core.send(turn, ProducerTurn::maker, &mut place).await,
            Err(reason) => Err(reason),
        };
        let put = put.inspect_err(|_| self.core.tally.note_refused(1));
        give_back(put.map(|put| self.core.tell_consumer(put)), place)
""",
        """        let mut turn = match self.core.producer_turn() {
            Ok(turn) => turn,
            Err(reason) => return Err(Rejected::new(reason, item)),
        };
        let mut place = Some(item);
        let put = self.core.send(&mut turn, |turn| turn.maker(), &mut place).await;
        give_back(put.map(|put| self.core.tell_consumer(put)), place)
""",
        "dropping::in_the_queue_of_one_producer_and_one_consumer",
    ),
    Mutant(
        "spsc-two-consumers",
        "rust/elasticq/src/lock_free/spsc/core.rs",
        """        self.consuming.take("the queue has one consumer, and another thread is taking")?;
""",
        "",
        "loom_spsc::a_second_producer_or_consumer_is_refused_and_nothing_breaks",
    ),
    Mutant(
        "spsc-two-producers",
        "rust/elasticq/src/lock_free/spsc/core.rs",
        "            if owner == PRODUCER {\n",
        """            if owner == PRODUCER {
                return Ok(ProducerTurn(self));
            }
            if owner == PRODUCER {
""",
        "loom_spsc::a_second_producer_or_consumer_is_refused_and_nothing_breaks",
    ),
]
