"""Waiting as a task."""

from __future__ import annotations

from . import Mutant

CHAIN = "rust/elasticq/src/lock_free/chain/mod.rs"
LIST = "rust/elasticq/src/wait/list.rs"
WAITER = "rust/elasticq/src/wait/waiter.rs"
WAITING = "rust/elasticq/src/wait/completion.rs"

MUTANTS = [
    Mutant(
        "task-sleeps-beside-a-claim",
        "rust/elasticq/src/lock_free/mpsc/consumer.rs",
        "if position(tail) > taker.head || tail & CLOSED != 0 {",
        "if unsafe { (*taker.front).published(taker.head) }.is_some() || tail & CLOSED != 0 {",
        "loom_tasks::mpsc::an_item_reaches_a_task_that_waits",
    ),
    Mutant(
        "task-among-many-sleeps-beside-a-claim",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        """        order_seqcst();
        if self.is_on_its_way() {
            return Attempt::Soon;
        }
""",
        """        order_seqcst();
        let published = |(segment, head): (&Segment<T>, u64)| unsafe { segment.count_published(head, 1) } > 0;
        if self.find_head(record).is_some_and(published) {
            return Attempt::Soon;
        }
""",
        "loom_tasks::mpmc::an_item_reaches_a_task_that_waits",
    ),
    Mutant(
        "task-yields-and-is-never-polled-again",
        WAITING,
        "        context.waker().wake_by_ref();\n",
        "        let _ = context;\n",
        "loom_tasks::mpsc::an_item_reaches_a_task_that_waits",
    ),
    Mutant(
        "task-waits-for-nothing-after-its-first-look",
        WAITING,
        "                None => {}\n",
        "                None => return Poll::Pending,\n",
        "loom_tasks::mpsc::an_item_reaches_a_task_that_waits",
    ),
    Mutant(
        "task-that-sends-forgets-its-item",
        WAITING,
        "        give_back(Err(reason), self.place.take())\n",
        "        drop(self.place.take());\n        give_back(Err(reason), None)\n",
        "lock_free_tasks::mpsc::a_refused_item_comes_back_and_is_counted",
    ),
    Mutant(
        "task-that-is-done-keeps-what-it-registered-with",
        WAITING,
        "        if done.is_ready() {\n            self.register = None;\n        }\n",
        "",
        "kept_futures::a_sender_of_a_channel_that_is_done_tells_who_waits_behind_it",
    ),
    Mutant(
        "task-whose-first-look-succeeds-counts-never",
        WAITING,
        "                    note_progress();\n",
        "",
        "runtimes::a_task_that_selects_among_channels_gives_the_others_a_turn",
    ),
    Mutant(
        "waiter-forgets-its-task",
        WAITER,
        "Sleeper::Task(context.waker().clone())",
        "Sleeper::Task(std::task::Waker::noop().clone())",
        "loom_tasks::mpsc::an_item_reaches_a_task_that_waits",
    ),
    Mutant(
        "task-that-stops-keeps-its-wake-up",
        LIST,
        "if !passes_on || self.waiting == 0 {",
        "if true {",
        "loom_tasks::a_task_that_stops_waiting_passes_its_wake_up_on",
    ),
    Mutant(
        "sender-that-stops-keeps-its-wake-up",
        LIST,
        "if !passes_on || self.waiting == 0 {",
        "if true {",
        "loom_tasks::a_task_that_stops_sending_passes_its_wake_up_on",
    ),
    Mutant(
        "sender-sleeps-without-a-second-look",
        "rust/elasticq/src/wait/attempt.rs",
        "    let waiter = register();\n    match try_it() {",
        "    let waiter = register();\n    match None {",
        "loom_tasks::mpsc::room_reaches_a_task_that_waits",
    ),
    Mutant(
        "one-consumer-makes-room-without-a-barrier",
        CHAIN,
        "        often();\n        if self.room.has_sleepers() {",
        "        if self.room.has_sleepers() {",
        "loom_tasks::mpsc::one_place_of_many_reaches_a_task_that_waits",
    ),
    Mutant(
        "many-consumers-make-room-without-a-barrier",
        CHAIN,
        "        often();\n        if self.room.has_sleepers() {",
        "        if self.room.has_sleepers() {",
        "loom_tasks::mpmc::one_place_of_many_reaches_a_task_that_waits",
    ),
    Mutant(
        "sender-sleeps-beside-a-slot-that-is-read",
        CHAIN,
        "} else if full && !fits && count <= by_number.saturating_sub(first) {",
        "} else if false {",
        "loom_tasks::a_consumer_who_is_overtaken_leaves_no_producer_asleep",
    ),
    Mutant(
        "task-waits-without-the-turn",
        "rust/elasticq/src/lock_free/mpsc/mod.rs",
        "            let _turn = self.core.turn()?;\n            // SAFETY: the turn makes",
        "            let _ = self.core.turn()?;\n            // SAFETY: the turn makes",
        "loom_tasks::a_second_consumer_is_refused_while_a_task_waits",
    ),
]
