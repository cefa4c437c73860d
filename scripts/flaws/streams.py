"""Channels, streams, sinks and calls that are awaited, over any queue."""

from __future__ import annotations

from . import Mutant

TASKS = "rust/elasticq/src/tasks/mod.rs"
WAITING = "rust/elasticq/src/wait/completion.rs"
LOCK_FREE = "rust/elasticq/src/lock_free"
STREAMS = "rust/elasticq/src/streams"

MUTANTS = [
    Mutant(
        "streams-a-task-never-gives-way",
        WAITING,
        "                    made_progress();\n",
        "                    drop(made_progress);\n",
        "runtimes::a_task_that_never_waits_gives_the_others_a_turn::with_a_lock",
    ),
    Mutant(
        "streams-a-stream-never-gives-way",
        f"{STREAMS}/stream.rs",
        "                    made_progress();\n",
        "                    drop(made_progress);\n",
        "runtimes::a_task_that_never_waits_gives_the_others_a_turn::with_a_lock",
        also=((f"{STREAMS}/sink.rs", "        made_progress();\n", "        drop(made_progress);\n"),),
    ),
    Mutant(
        "streams-a-refused-item-is-forgotten",
        TASKS,
        "    *place = Some(item);\n",
        "    let _ = (item, place);\n",
        "streams::a_refused_item_comes_back_from_each_way_to_send::mpmc",
    ),
    Mutant(
        "streams-the-timer-comes-first",
        TASKS,
        "        if let Poll::Ready(done) = call.as_mut().poll(context) {\n            return Poll::Ready(Ok(Some(done)));\n        }\n",
        "        if timer.deadline() <= tokio::time::Instant::now() {\n            return Poll::Ready(Ok(None));\n        }\n"
        "        if let Poll::Ready(done) = call.as_mut().poll(context) {\n            return Poll::Ready(Ok(Some(done)));\n        }\n",
        "runtimes::a_timeout_of_zero_tries_once_and_a_huge_one_does_not_overflow::mpsc",
    ),
    Mutant(
        "streams-each-sink-has-a-door-of-its-own",
        f"{STREAMS}/channel.rs",
        "shared.upgrade().unwrap_or_else(||",
        "None.unwrap_or_else(||",
        "streams::a_stream_ends_when_the_last_sink_of_the_channel_goes::with_a_lock",
    ),
    Mutant(
        "streams-nobody-closes-behind-a-stream",
        f"{STREAMS}/mod.rs",
        "(BufferStream::new(half()),",
        "(BufferStream::new(Shared::new(Arc::clone(self), None)),",
        "streams::a_pair_ends_with_either_half::spsc",
    ),
    Mutant(
        "streams-a-sink-drops-what-finds-no-room",
        f"{STREAMS}/sink.rs",
        "                self.unsent = Some(rejected.into_inner());\n",
        "                drop(rejected);\n",
        "streams::an_item_that_lost_its_room_waits_in_the_sink_and_goes_first::mpsc",
    ),
    Mutant(
        "streams-a-sink-is-always-ready",
        f"{STREAMS}/sink.rs",
        "Ok(is_clear && sink.end.as_mut().is_none_or(E::is_ready))",
        "Ok(is_clear)",
        "streams::a_sink_is_ready_when_there_is_room::with_levels",
    ),
    Mutant(
        "streams-a-closed-sink-holds-the-door",
        f"{STREAMS}/sink.rs",
        "        self.end = None;\n",
        "",
        "streams::a_closed_sink_refuses_and_the_others_go_on::with_a_lock",
    ),
    Mutant(
        "streams-a-sink-drops-the-unsent-item-with-the-one-behind-it",
        f"{STREAMS}/sink.rs",
        "                    self.unsent = Some(unsent);\n",
        "                    drop(unsent);\n",
        "streams::a_sink_gives_back_the_unsent_item_and_the_one_behind_it::mpsc",
    ),
    Mutant(
        "streams-a-sink-that-was-ready-keeps-the-room",
        f"{STREAMS}/sink.rs",
        "Some(end) if mem::take(&mut self.owes) => end.pass_on(),",
        "Some(_) if mem::take(&mut self.owes) => {}",
        "split_streams::a_sink_that_goes_passes_its_wake_up_on",
    ),
    Mutant(
        "streams-a-sender-that-goes-keeps-its-room",
        TASKS,
        "        if self.has_waited {\n",
        "        if self.has_waited && self.buffer.is_closed() {\n",
        "streams::a_sender_that_goes_leaves_its_room_to_one_at_another_level",
    ),
    Mutant(
        "streams-a-receiver-that-goes-leaves-its-wake-up-with-the-disk",
        TASKS,
        "                leaving.waits();\n                waiter = Some(buffer.wait_for_item());\n",
        "                leaving.has_waited = false;\n                waiter = Some(buffer.wait_for_item());\n",
        "runtimes::durable::a_receiver_that_is_dropped_when_its_turn_is_over_passes_its_wake_up_on",
    ),
    Mutant(
        "streams-a-handle-always-seems-ready",
        f"{LOCK_FREE}/chain/timed.rs",
        "        pushed - popped < self.elasticity.max() as u64 || self.is_closed()\n",
        "        let _ = pushed - popped;\n        true\n",
        "split_streams::a_sink_is_ready_when_there_is_room::mpmc",
    ),
    Mutant(
        "streams-a-handle-waits-for-room-when-it-is-closed",
        f"{LOCK_FREE}/chain/timed.rs",
        "        pushed - popped < self.elasticity.max() as u64 || self.is_closed()\n",
        "        pushed - popped < self.elasticity.max() as u64\n",
        "split_streams::a_sink_hears_that_the_queue_was_closed::mpsc",
    ),
    Mutant(
        "streams-a-stream-of-a-handle-tells-nobody-of-room",
        f"{LOCK_FREE}/ends.rs",
        "        let attempt = core.pop_or_register(taker, || Waiter::owned(Arc::clone(core), |core| &core.items));\n        core.tell_producer();\n",
        "        let attempt = core.pop_or_register(taker, || Waiter::owned(Arc::clone(core), |core| &core.items));\n",
        "split_streams::a_sink_is_ready_when_there_is_room::spsc",
    ),
    Mutant(
        "streams-a-sink-of-a-handle-does-not-say-that-it-waits",
        f"{LOCK_FREE}/ends.rs",
        "                self.core.producer_registered();\n",
        "",
        "split_streams::a_sink_is_ready_when_there_is_room::spsc",
    ),
    Mutant(
        "streams-a-batch-that-never-fits-waits",
        f"{LOCK_FREE}/chain/timed.rs",
        "        if items.len() > self.elasticity.max() {\n            return self.put_all(items);\n        }\n",
        "",
        "split_calls::many_go_in_and_come_out_at_once::mpsc",
    ),
]
