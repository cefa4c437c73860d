"""The list of waiters: which of them are woken, and that no foreign code runs under its lock."""

from __future__ import annotations

from . import Mutant

LIST = "rust/elasticq/src/wait/list.rs"
WAITER = "rust/elasticq/src/wait/waiter.rs"
WAKING = "rust/elasticq/src/wait/waking.rs"
CHAIN = "rust/elasticq/src/lock_free/chain/mod.rs"
SPSC = "rust/elasticq/src/lock_free/spsc/core.rs"

MUTANTS = [
    Mutant(
        "one-woken-is-enough",
        LIST,
        "self.waiting.min(count.saturating_sub(self.coming))",
        "self.waiting.min(count.min(1).saturating_sub(self.coming))",
        "loom_waiting::one_that_never_looks_costs_no_more_than_its_own_wake_up",
    ),
    Mutant(
        "who-never-looks-counts-for-ever",
        LIST,
        "        self.coming = 0;\n",
        "",
        "loom_waiting::one_that_never_looks_costs_one_wake_up_and_not_the_next",
        also=((LIST, "        self.round = self.round.wrapping_add(1);\n", ""),),
    ),
    Mutant(
        "counts-on-one-who-was-told-of-what-is-gone",
        LIST,
        "        self.coming += usize::from(round == self.round);\n",
        "        let round = { let _ = round; self.round };\n        self.coming += 1;\n",
        "loom_waiting::spsc::one_that_was_woken_late_and_is_forgotten_costs_nothing_more",
    ),
    Mutant(
        "sleeps-though-it-was-woken",
        LIST,
        "        if slot.state != State::Waiting {\n            self.remove(key);",
        "        if slot.state == State::Free {\n            self.remove(key);",
        "loom_waiting::two_who_come_and_one_who_wakes_miss_nothing",
    ),
    Mutant(
        "keeps-the-waker-of-before",
        LIST,
        "        std::mem::swap(&mut slot.sleeper, sleeper);\n",
        "        if slot.sleeper.is_none() {\n"
        "            std::mem::swap(&mut slot.sleeper, sleeper);\n        }\n",
        "loom_waiting::a_waker_that_is_replaced_while_it_is_woken_is_woken_or_the_poll_is_ready",
    ),
    Mutant(
        "drops-a-waker-of-before-on-going-to-sleep",
        WAITER,
        "        waiters.iter_mut().filter(|waiter| waiter.was_polled).for_each(Self::get_up);\n",
        "",
        "wakers::a_waker_that_is_dropped_where_a_thread_goes_to_sleep_may_use_its_token::mpmc",
    ),
    Mutant(
        "leaver-passes-nothing-on",
        LIST,
        "if !passes_on || self.waiting == 0 {",
        "if true {",
        "loom_waiting::who_leaves_while_it_is_woken_passes_the_wake_up_on",
    ),
    Mutant(
        "one-of-two-leavers-passes-on",
        LIST,
        "if !passes_on || self.waiting == 0 {",
        "if !passes_on || self.waiting == 0 || self.coming > 0 {",
        "stuck::one_that_is_dropped_passes_on_what_it_was_woken_for::with_a_lock",
    ),
    Mutant(
        "the-last-is-woken-first",
        LIST,
        "        let key = self.first;\n        if key",
        "        let key = self.last;\n        if key",
        "stuck::so_many_are_woken_as_there_are_items::with_a_lock",
    ),
    Mutant(
        "locked-tells-of-one",
        "rust/elasticq/src/locked/mod.rs",
        "self.not_empty.told(|| ring.len())",
        "self.not_empty.told(|| ring.len().min(1))",
        "loom_waiting::items_one_by_one_reach_the_thread_behind_one_that_never_looks",
    ),
    Mutant(
        "chain-tells-of-one-item",
        CHAIN,
        "self.items.told(items)",
        "self.items.told(|| items().min(1))",
        "loom_waiting::mpmc::items_reach_the_task_behind_one_that_was_forgotten",
    ),
    Mutant(
        "chain-tells-of-one-place",
        CHAIN,
        "self.room.told(|| self.elasticity.max() - items())",
        "self.room.told(|| (self.elasticity.max() - items()).min(1))",
        "loom_waiting::mpsc::room_reaches_the_task_behind_one_that_was_forgotten",
    ),
    Mutant(
        "spsc-note-goes-with-one-that-was-forgotten",
        SPSC,
        "                self.notes.fetch_or(note, Ordering::SeqCst);\n                are_left",
        "                let _ = note;\n                are_left",
        "loom_waiting::spsc::items_reach_the_task_behind_one_that_was_forgotten",
    ),
    Mutant(
        "spsc-looks-once-for-those-that-are-left",
        SPSC,
        "            self.tell(&mut waking);\n        }",
        "        }",
        "loom_looking::two_items_put_in_at_the_same_time_reach_two_waiters",
    ),
    Mutant(
        "wakes-under-the-lock",
        WAKING,
        "                    *place = sleeper;\n",
        "                    sleeper.into_iter().for_each(Sleeper::wake);\n"
        "                    *place = None::<Sleeper>;\n",
        "wakers::a_waker_that_puts_into_the_same_queue::mpmc",
    ),
    Mutant(
        "drops-a-replaced-waker-under-the-lock",
        LIST,
        "        std::mem::swap(&mut slot.sleeper, sleeper);\n",
        "        slot.sleeper = sleeper.take();\n",
        "wakers::a_replaced_waker_that_puts_when_it_is_dropped::mpmc",
    ),
    Mutant(
        "drops-the-waker-of-who-leaves-under-the-lock",
        LIST,
        "        let sleeper = slot.sleeper.take();\n        *slot",
        "        let sleeper = None;\n        *slot",
        "wakers::the_waker_of_a_waiter_that_leaves_may_put_when_it_is_dropped::mpmc",
    ),
    Mutant(
        "a-panic-stops-the-others",
        WAKING,
        "catch_unwind(AssertUnwindSafe(foreign))",
        "Ok::<(), Box<dyn Any + Send>>(foreign())",
        "wakers::a_waker_that_panics_stops_none_of_the_others::with_a_lock",
    ),
    Mutant(
        "a-panic-goes-on-in-a-thread-that-unwinds",
        WAKING,
        "if thread::panicking() => forget(panic)",
        "if false => forget(panic)",
        "wakers::a_waker_that_panics_while_the_thread_unwinds_aborts_nothing::with_a_lock",
    ),
    Mutant(
        "those-who-pass-on-call-each-other",
        LIST,
        "if self.passing > NESTED { self.waiting } else { 1 }",
        "1",
        "wakers::thousands_of_tasks_that_go_with_their_wakers::with_a_lock",
    ),
]
