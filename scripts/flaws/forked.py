"""What a forked child makes of those who waited in its parent. Nothing forks in a loom model, so ordinary tests find these."""

from __future__ import annotations

from . import Mutant

WAIT = "rust/elasticq/src/wait.rs"

MUTANTS = [
    Mutant(
        "child-takes-itself-for-its-parent",
        WAIT,
        "    PROCESS.fetch_add(1, Ordering::Relaxed);\n",
        "    PROCESS.fetch_add(0, Ordering::Relaxed);\n",
        "forked::a_wake_up_goes_to_who_waits_in_the_child",
    ),
    Mutant(
        "child-joins-those-of-its-parent",
        WAIT,
        "while crowd.process != process {",
        "while false {",
        "forked::a_wake_up_goes_to_who_waits_in_the_child",
    ),
    Mutant(
        "grandchild-joins-those-of-the-child",
        WAIT,
        "while crowd.process != process {",
        "if crowd.process != process {",
        "forked::a_child_of_a_child_of_the_process_that_made_it",
    ),
    Mutant(
        "child-counts-those-of-its-parent",
        WAIT,
        "                self.sleepers.store(0, Ordering::SeqCst);\n",
        "",
        "forked::a_wake_up_goes_to_who_waits_in_the_child",
    ),
    Mutant(
        "child-forgets-its-own-each-time",
        WAIT,
        "        let process = forks();\n        let mut crowd",
        "        let process = forks();\n        self.sleepers.store(0, Ordering::SeqCst);\n        let mut crowd",
        "forked::a_wake_up_goes_to_who_waits_in_the_child",
    ),
    Mutant(
        "child-wakes-those-of-its-parent",
        WAIT,
        "crowd.event.notify(if bulk { usize::MAX } else { count });",
        "self.first.event.notify(if bulk { usize::MAX } else { count });",
        "forked::a_wake_up_goes_to_who_waits_in_the_child",
    ),
    Mutant(
        "child-heeds-the-batches-of-its-parent",
        WAIT,
        "let bulk = crowd.bulk.load(Ordering::SeqCst) != 0;",
        "let bulk = self.first.bulk.load(Ordering::SeqCst) != 0;",
        "forked::a_wake_up_goes_to_who_waits_in_the_child",
    ),
    Mutant(
        "inherited-thread-sleeps-on",
        WAIT,
        "        self.leave_if_inherited();\n        match (self.listener.take(), deadline) {",
        "        match (self.listener.take(), deadline) {",
        "forked::a_wait_that_was_begun_in_the_parent_ends_at_once_in_the_child",
    ),
    Mutant(
        "inherited-task-sleeps-on",
        WAIT,
        "        self.leave_if_inherited();\n        if let Some(listener) = &mut self.listener {",
        "        if let Some(listener) = &mut self.listener {",
        "forked::a_task_that_began_to_wait_in_the_parent_goes_on_at_once_in_the_child",
    ),
    Mutant(
        "inherited-waiter-is-counted-off",
        WAIT,
        "            return; // it counts no more: see `Signal::crowd`\n",
        "",
        "forked::a_wait_that_was_begun_in_the_parent_ends_at_once_in_the_child",
    ),
    Mutant(
        "inherited-waiter-leaves-the-list-of-its-parent",
        WAIT,
        "            mem::forget(self.listener.take());\n",
        "            drop(self.listener.take());\n",
        "forked::the_list_of_the_parent_is_left_alone",
    ),
]
