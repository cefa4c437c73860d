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
        "    unless_empty(search(sources, order, None)).ok_or(waiters)\n",
        "    Err(waiters)\n",
        "loom_select::an_item_in_either_queue_reaches_a_thread_that_selects",
    ),
    Mutant(
        "select-a-task-sleeps-without-a-second-look",
        SELECT,
        "            match search_as_task(&self.sources, &mut self.order, None).await {\n",
        "            match Err::<(usize, R), _>(BufferError::Empty) {\n",
        "loom_select::an_item_in_either_queue_reaches_a_task_that_selects",
    ),
    Mutant(
        "select-a-task-keeps-a-wake-up-for-another-item",
        SELECT,
        "            match search_as_task(&self.sources, &mut self.order, woken).await {\n",
        "            match search_as_task(&self.sources, &mut self.order, woken.filter(|_| false)).await {\n",
        "select::one_that_takes_another_item_passes_its_wake_up_on::mpmc",
    ),
    Mutant(
        "select-a-task-that-is-cancelled-keeps-its-wake-up",
        "rust/elasticq/src/wait/waiter.rs",
        "        if in_its_place > 0 {\n",
        "        if in_its_place > usize::MAX - 1 {\n",
        "runtimes::selectors_that_are_dropped_at_random_lose_no_item_and_no_wake_up::mpmc",
    ),
    Mutant(
        "select-forgets-the-others-when-its-waker-panics",
        "rust/elasticq/src/wait/waking.rs",
        "        if let Err(panic) = catch_unwind(AssertUnwindSafe(foreign)) {\n",
        "        if let Err(panic) = Ok::<(), Box<dyn Any + Send>>(foreign()) {\n",
        "wakers::a_selector_whose_waker_panics::mpmc",
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
