"""Channels, streams, sinks and calls that are awaited, over any queue."""

from __future__ import annotations

from . import Mutant

TASKS = "rust/elasticq/src/tasks/mod.rs"
STREAMS = "rust/elasticq/src/streams"

MUTANTS = [
    Mutant(
        "streams-a-task-never-gives-way",
        TASKS,
        "        let turn = ready!(poll_proceed(context));\n        let done = ready!(call.as_mut().poll(context));\n        turn.made_progress();\n",
        "        let done = ready!(call.as_mut().poll(context));\n",
        "runtimes::a_task_that_never_waits_gives_the_others_a_turn::with_a_lock",
        also=((TASKS, "use tokio::task::coop::poll_proceed;\n", ""),),
    ),
    Mutant(
        "streams-a-stream-never-gives-way",
        f"{STREAMS}/stream.rs",
        "                    turn.made_progress();\n",
        "                    let _ = &turn;\n",
        "runtimes::a_task_that_never_waits_gives_the_others_a_turn::with_a_lock",
        also=((f"{STREAMS}/sink.rs", "        turn.made_progress();\n", "        let _ = turn;\n"),),
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
        "(BufferStream::new(Arc::clone(self), door()),",
        "(BufferStream::new(Arc::clone(self), None),",
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
        "Ok((on_disk || sink.send_unsent()?) && has_room(&sink.buffer))",
        "Ok((on_disk || sink.send_unsent()?) && (has_room(&sink.buffer) || true))",
        "streams::a_sink_is_ready_when_there_is_room::with_levels",
    ),
    Mutant(
        "streams-a-closed-sink-holds-the-door",
        f"{STREAMS}/sink.rs",
        "        self.door = None;\n",
        "",
        "streams::a_closed_sink_refuses_and_the_others_go_on::with_a_lock",
    ),
]
