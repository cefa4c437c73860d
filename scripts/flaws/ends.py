"""The end of a queue whose last consumer goes."""

from __future__ import annotations

from . import Mutant

ABANDON = "rust/elasticq/src/lock_free/chain/abandon.rs"
CHAIN = "rust/elasticq/src/lock_free/chain/mod.rs"
MPMC = "rust/elasticq/src/lock_free/mpmc/mod.rs"
MPSC = "rust/elasticq/src/lock_free/mpsc/consumer.rs"
SPSC = "rust/elasticq/src/lock_free/spsc/core.rs"

MUTANTS = [
    Mutant(
        "ends-forgets-what-is-on-its-way",
        "rust/elasticq/src/lock_free/mpsc/left.rs",
        "let on_its_way = !self.is_drained(taker);",
        "let on_its_way = false;",
        "loom_ends::mpsc::a_push_under_way_leaves_nothing_behind",
    ),
    Mutant(
        "ends-drops-before-it-closes",
        ABANDON,
        "                self.close(); "
        "// in here, so that a waker that panics leaves no item behind either\n",
        "",
        "loom_ends::mpsc::a_push_under_way_leaves_nothing_behind",
        also=(
            (
                ABANDON,
                "            C::take_left(self)\n        });\n    }\n\n    /// To be called by",
                "            C::take_left(self)\n        });\n"
                "        self.close();\n    }\n\n    /// To be called by",
            ),
        ),
    ),
    Mutant(
        "ends-seems-not-to-sleep",
        ABANDON,
        "                self.items.seem_awaited();\n",
        "",
        "loom_ends::mpsc::a_push_under_way_leaves_nothing_behind",
    ),
    Mutant(
        "ends-without-a-barrier",
        ABANDON,
        "                rarely();\n",
        "",
        "loom_ends::mpsc::a_push_under_way_leaves_nothing_behind",
    ),
    Mutant(
        "ends-looks-for-sleepers-without-a-barrier",
        CHAIN,
        "        often();\n        if self.items.has_sleepers() {\n            self.wake_or_drop();",
        "        if self.items.has_sleepers() {\n            self.wake_or_drop();",
        "loom_ends::mpmc::a_push_under_way_leaves_nothing_behind",
    ),
    Mutant(
        "ends-drops-what-others-published-in-no-order",
        ABANDON,
        "        fence(Ordering::SeqCst); // between publishing",
        "        // between publishing",
        "loom_ends::mpsc::two_pushes_under_way_leave_nothing_behind",
    ),
    Mutant(
        "ends-takes-without-a-claim",
        "rust/elasticq/src/lock_free/mpsc/left.rs",
        "self.head.compare_exchange(head, head + 1, Ordering::SeqCst, Ordering::Relaxed).is_ok()",
        "{ self.head.store(head + 1, Ordering::SeqCst); true }",
        "loom_ends::mpsc::two_pushes_under_way_leave_nothing_behind",
    ),
    Mutant(
        "ends-consumer-goes-on-by-itself",
        ABANDON,
        "                handed_over = true;\n",
        "",
        "loom_ends::mpsc::a_push_under_way_leaves_nothing_behind",
    ),
    Mutant(
        "ends-frees-from-the-consumer-s-place",
        MPSC,
        "taker.head.max(self.left.head())",
        "taker.head",
        "loom_ends::mpsc::a_push_under_way_leaves_nothing_behind",
    ),
    Mutant(
        "ends-stops-at-the-end-of-a-segment",
        "rust/elasticq/src/lock_free/mpsc/left.rs",
        "            let slot = if head == end {\n                None",
        "            let slot = if head == end {\n                return None",
        "loom_ends::mpsc::two_pushes_under_way_that_grow_leave_nothing_behind",
    ),
    Mutant(
        "ends-with-any-consumer",
        MPMC,
        "if self.core.takers.handles.fetch_sub(1, Ordering::SeqCst) == 1 {",
        "if self.core.takers.handles.fetch_sub(1, Ordering::SeqCst) > 0 {",
        "loom_ends::mpmc::a_consumer_who_goes_leaves_the_items_to_the_other",
    ),
    Mutant(
        "ends-counts-what-was-left-as-taken",
        ABANDON,
        "        self.consumed.store(consumed, Ordering::SeqCst);\n",
        "        self.consumed.store(consumed + 1, Ordering::SeqCst);\n",
        "loom_ends::mpmc::a_push_under_way_leaves_nothing_behind",
    ),
    Mutant(
        "ends-spsc-drops-before-it-closes",
        SPSC,
        """                self.close(); // in here, so that a waker that panics leaves no item behind either
                self.find_end(taker);
            }
            self.pop(taker).ok().flatten()
        });
""",
        """            }
            self.pop(taker).ok().flatten()
        });
        self.close();
""",
        "loom_ends::spsc::a_push_under_way_leaves_nothing_behind",
    ),
    Mutant(
        "ends-spsc-settles-the-end-without-a-barrier",
        "rust/elasticq/src/lock_free/spsc/consumer.rs",
        "            rarely(); // as in `search`\n",
        "",
        "loom_ends::spsc::a_push_under_way_leaves_nothing_behind",
    ),
    Mutant(
        "ends-spsc-makes-room-for-who-waits",
        SPSC,
        "                self.find_end(taker);\n",
        "",
        "loom_ends::spsc::a_producer_who_waits_has_its_item_back",
    ),
    Mutant(
        "ends-stops-at-a-panic",
        "rust/elasticq/src/lock_free/ending.rs",
        "            self.0.by_ref().for_each(drop);\n        }\n    }\n",
        "        }\n    }\n",
        "ends::mpsc::a_drop_that_panics_leaves_no_other_item_behind",
    ),
]
