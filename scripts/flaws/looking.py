"""Looking at the queues without locks, and the turns at their ends."""

from __future__ import annotations

from . import Mutant

RECORDS = "rust/elasticq/src/lock_free/mpmc/records.rs"
DISCARDED = "rust/elasticq/src/lock_free/discarded.rs"
TURNS = "rust/elasticq/src/lock_free/turns.rs"

MUTANTS = [
    Mutant(
        "looks-without-the-turn",
        TURNS,
        "self.0.compare_exchange(NOBODY, LOOKING, Ordering::Acquire, Ordering::Relaxed).is_ok()",
        "self.0.load(Ordering::Acquire) != 3",
        "loom_looking::mpsc::looking_beside_a_consumer_sees_whole_items_and_takes_none",
    ),
    Mutant(
        "who-may-not-look-ends-the-turn",
        TURNS,
        "free.then(|| Look(self))",
        "free.then_some(Look(self))",
        "loom_looking::mpsc::who_may_not_look_leaves_the_consumer_its_turn",
    ),
    Mutant(
        "a-look-is-another-consumers-turn",
        TURNS,
        "if now == WORKING {",
        "if now != NOBODY {",
        "loom_looking::spsc::looking_beside_a_consumer_sees_whole_items_and_takes_none",
    ),
    Mutant(
        "a-look-ends-relaxed",
        TURNS,
        "self.0.store(NOBODY, Ordering::Release);",
        "self.0.store(NOBODY, Ordering::Relaxed);",
        "loom_looking::mpsc::looking_beside_a_consumer_sees_whole_items_and_takes_none",
    ),
    Mutant(
        "mpmc-adds-a-record-under-a-look",
        RECORDS,
        """        while self.looking.load(Ordering::SeqCst) {
            backoff.snooze();
        }
        record
""",
        "        record\n",
        "loom_looking::mpmc::looking_beside_a_consumer_sees_whole_items_and_takes_none",
    ),
    Mutant(
        "mpmc-looks-beside-a-record-in-use",
        RECORDS,
        "            while !record.try_use() {\n                if backoff",
        "            while !record.try_use() && false {\n                if backoff",
        "loom_looking::a_consumer_that_finds_all_records_in_use_waits_for_who_looks",
    ),
    Mutant(
        "discards-without-an-announcement",
        DISCARDED,
        "        self.bound.fetch_add(most as u64, Ordering::SeqCst);\n",
        "",
        "loom_looking::mpmc::what_is_discarded_never_counts_as_dequeued",
    ),
    Mutant(
        "discards-without-a-look-before",
        "rust/elasticq/src/lock_free/parts.rs",
        "                let _ = self.core.stats(); // what is told from now on is no less\n",
        "",
        "loom_looking::spsc::what_is_discarded_never_counts_as_dequeued",
    ),
    Mutant(
        "what-was-told-is-read-before-the-announcements",
        DISCARDED,
        """        let sure = left.saturating_sub(self.bound.load(Ordering::SeqCst));
        // In this order: `told` was set before what is in the bound was announced.
        let told = self.told.load(Ordering::SeqCst);
""",
        """        let told = self.told.load(Ordering::SeqCst);
        let sure = left.saturating_sub(self.bound.load(Ordering::SeqCst));
""",
        "loom_looking::mpsc::what_is_discarded_never_counts_as_dequeued",
    ),
    Mutant(
        "producer-registers-without-a-barrier",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "        rarely(); // The other half: `often` in `tell_producers`.\n",
        "",
        "loom_tasks::mpsc::one_place_of_many_reaches_a_task_that_waits",
    ),
    Mutant(
        "a-consumer-of-a-layer-registers-without-a-barrier",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "        rarely(); // The other half: `often` in `wake_consumers`.\n",
        "",
        "loom_looking::mpmc::no_wake_up_of_who_waits_for_an_item_is_lost",
    ),
    Mutant(
        "a-consumer-of-a-layer-registers-without-a-note",
        "rust/elasticq/src/lock_free/spsc/core.rs",
        "        self.registered(CONSUMER_SLEEPS);\n",
        "        rarely();\n",
        "loom_looking::spsc::no_wake_up_of_who_waits_for_an_item_is_lost",
    ),
]
