"""What a forked child does with its parent's waiters.

Loom models can't fork, so ordinary tests find these flaws.
"""

from __future__ import annotations

from . import Mutant

WAIT = "rust/elasticq/src/wait/mod.rs"
WAITER = "rust/elasticq/src/wait/waiter.rs"

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
        "child-wakes-those-of-its-parent",
        "rust/elasticq/src/wait/waking.rs",
        "self.wake_next(signal, signal.crowd(), round, |list| {",
        "self.wake_next(signal, signal.oldest_crowd(), round, |list| {",
        "forked::a_wake_up_goes_to_who_waits_in_the_child",
        also=(
            (
                WAIT,
                "    fn crowd(",
                "    fn oldest_crowd(&self) -> &Crowd { &self.first }\n    fn crowd(",
            ),
        ),
    ),
    Mutant(
        "inherited-thread-sleeps-on",
        WAITER,
        ".filter(|_| self.process == forks())",
        "",
        "forked::a_wait_that_was_begun_in_the_parent_ends_at_once_in_the_child",
    ),
    Mutant(
        "inherited-task-sleeps-on",
        WAITER,
        ".filter(|_| self.process == forks())",
        "",
        "forked::a_task_that_began_to_wait_in_the_parent_goes_on_at_once_in_the_child",
    ),
    Mutant(
        "inherited-waiter-leaves-the-list-of-its-parent",
        WAITER,
        "if let Some(place) = self.place() {\n            self.leave(place);",
        "if let Some(place) = self.place {\n            self.leave(place);",
        "forked::the_list_of_the_parent_is_left_alone",
    ),
    Mutant(
        "inherited-list-is-dropped",
        WAIT,
        "            mem::forget(mem::replace(list, List::new()));\n",
        "            drop(mem::replace(list, List::new()));\n",
        "forked::the_wakers_of_the_parent_are_not_dropped_with_the_signal",
    ),
]
