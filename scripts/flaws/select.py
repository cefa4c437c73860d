"""Waiting for several queues at once."""

from __future__ import annotations

from . import Mutant

SELECT = "rust/elasticq/src/select.rs"

MUTANTS = [
    Mutant(
        "select-keeps-a-wake-up-for-another-item",
        SELECT,
        "            self.sources[woken].pass_on();\n",
        "            let _ = woken;\n",
        "select::one_that_takes_another_item_passes_its_wake_up_on::mpsc",
    ),
    Mutant(
        "select-sleeps-without-a-second-look",
        SELECT,
        "    match search(sources, order, None) {\n        Err(BufferError::Empty) => Err(waiters),\n",
        "    match Err(BufferError::Empty) {\n        Err(BufferError::Empty) => Err(waiters),\n",
        "loom_select::an_item_in_either_queue_reaches_a_thread_that_selects",
    ),
    Mutant(
        "select-takes-no-turns",
        SELECT,
        "            self.first = (index + 1) % queues;\n",
        "            self.first = index % queues;\n",
        "select::queues_take_turns::with_a_lock",
    ),
    Mutant(
        "select-ends-with-the-first-closed-queue",
        SELECT,
        "            Err(BufferError::Closed) => {}\n",
        "            Err(BufferError::Closed) => self.failed = Some(BufferError::Closed),\n",
        "select::closed_queues_are_skipped_until_all_are::mpmc",
    ),
]
