"""The queue of many producers and many consumers."""

from __future__ import annotations

from . import Mutant

MUTANTS = [
    Mutant(
        "mpmc-batch-without-end",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        "let end = position(self.tail.load(Ordering::Acquire));",
        "let end = u64::MAX;",
        "loom_mpmc::a_batch_ends_with_what_was_there",
    ),
    Mutant(
        "mpmc-batch-that-waited-has-no-end",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        "let end = position(self.tail.load(Ordering::Acquire));",
        "let end = u64::MAX;",
        "loom_mpmc::a_batch_that_waited_holds_no_more_than_the_queue_can",
    ),
    Mutant(
        "mpmc-does-not-look-up-with-the-last-item",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        "            due = due.min(tail.min(end).max(next + 1));\n",
        "            let _ = tail;\n",
        "burst_memory::a_consumer_who_takes_a_burst_to_its_last_item_and_looks_no_more_leaves_no_memory_behind",
    ),
    Mutant(
        "mpmc-claims-by-a-plain-store",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        """self.takers.head.compare_exchange(head, head + count, Ordering::SeqCst, Ordering::Relaxed).is_ok();""",
        "{ self.takers.head.store(head + count, Ordering::SeqCst); true };",
        "loom_mpmc::two_consumers_take_each_item_once",
    ),
    Mutant(
        "mpmc-notes-nothing",
        "rust/elasticq/src/lock_free/mpmc/records.rs",
        "self.working.store(position, Ordering::Release);",
        "let _ = position;",
        "loom_mpmc::a_place_is_written_again_only_after_its_item_was_moved_out",
    ),
    Mutant(
        "mpmc-notes-after-the-claim",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        """        record.begin(head);
        // SeqCst: release, for the note; and the first half of "claim, then look for sleepers".
        let claimed =
            self.takers.head.compare_exchange(head, head + count, Ordering::SeqCst, Ordering::Relaxed).is_ok();
""",
        """        let claimed =
            self.takers.head.compare_exchange(head, head + count, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        record.begin(head);
""",
        "loom_mpmc::a_place_is_written_again_only_after_its_item_was_moved_out",
    ),
    Mutant(
        "mpmc-claim-does-not-release-the-note",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        "head + count, Ordering::SeqCst, Ordering::Relaxed)",
        "head + count, Ordering::Relaxed, Ordering::Relaxed)",
        "loom_mpmc::a_limit_renewed_by_one_consumer_spares_the_place_of_another",
    ),
    Mutant(
        "mpmc-erases-the-note-relaxed",
        "rust/elasticq/src/lock_free/mpmc/records.rs",
        "self.working.store(IDLE, Ordering::Release);",
        "self.working.store(IDLE, Ordering::Relaxed);",
        "loom_mpmc::a_place_is_written_again_only_after_its_item_was_moved_out",
    ),
    Mutant(
        "mpmc-producer-raises-the-limit-over-a-place-in-use",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "segment.raise_limit(room);",
        "segment.raise_limit(popped + capacity as u64 + skipped);",
        "loom_mpmc::a_limit_raised_by_a_producer_spares_the_place_of_a_consumer",
    ),
    Mutant(
        "mpmc-producer-raises-the-limit-of-another-segment",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "segment.raise_limit(room);",
        "self.current().raise_limit(room);",
        "loom_mpmc::room_found_in_a_segment_is_raised_in_no_other",
    ),
    Mutant(
        "mpmc-protects-without-a-second-look",
        "rust/elasticq/src/lock_free/mpmc/records.rs",
        "if now == seen {",
        "if true {",
        "loom_mpmc::consumers_at_the_end_of_a_segment_move_on_together",
    ),
    Mutant(
        "mpmc-frees-what-a-record-names",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        "let named = self.takers.records.name(header);",
        "let named = false;",
        "loom_mpmc::a_segment_stays_while_one_consumer_reads_in_it_and_another_goes_on",
    ),
    Mutant(
        "mpmc-uses-the-record-of-another-call",
        "rust/elasticq/src/lock_free/mpmc/records.rs",
        "            Some(record) if record.try_use() => record,",
        "            Some(record) => record,",
        "loom_mpmc::shared_references_take_from_two_threads",
    ),
    Mutant(
        "mpmc-clears-a-record-in-use",
        "rust/elasticq/src/lock_free/mpmc/records.rs",
        """            if record.try_use() {
                record.let_go();
                record.release();
                return false;
            }
            true""",
        """            record.let_go();
            false""",
        "loom_mpmc::a_segment_stays_while_one_consumer_reads_in_it_and_another_goes_on",
    ),
    Mutant(
        "mpmc-moves-on-before-the-resize-is-complete",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        "if tail & SEALED != 0 && position(tail) == segment.end.load(Ordering::SeqCst) {",
        "if false && tail & SEALED != 0 && position(tail) == segment.end.load(Ordering::SeqCst) {",
        "loom_mpmc::a_consumer_completes_the_resize_of_a_producer_who_stands_still",
    ),
    Mutant(
        "mpmc-looks-before-it-registers",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        """        order_seqcst();
        if self.is_on_its_way() {
            return Attempt::Soon;
        }
""",
        "",
        "loom_mpmc::closing_wakes_a_consumer_who_waits",
    ),
    Mutant(
        "mpmc-room-wakes-nobody",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "            self.tell_of_room();\n",
        "",
        "loom_mpmc::room_reaches_a_producer_who_waits",
    ),
    Mutant(
        "mpmc-stalled-consumer-keeps-an-item-out",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "} else if full && !fits && count <= by_number.saturating_sub(first) {",
        "} else if false {",
        "loom_mpmc::an_empty_queue_takes_an_item_wherever_its_consumers_stand",
    ),
    Mutant(
        "mpmc-note-in-vain-keeps-a-batch-out",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "} else if full && !fits && count <= by_number.saturating_sub(first) {",
        "} else if full && !fits && count == 1 && first < by_number {",
        "loom_mpmc::a_guess_in_vain_keeps_no_batch_out",
    ),
    Mutant(
        "mpmc-goes-on-in-the-slot-that-is-read",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        """                    self.prepare_next(segment, capacity)?;
                    self.seal(tail);
                }
""",
        """                    segment.raise_limit(by_number);
                    if self.claim(tail, count) {
                        return Ok((segment, first));
                    }
                }
""",
        "loom_mpmc::a_place_is_written_again_only_after_its_item_was_moved_out",
    ),
    Mutant(
        "mpmc-sleeps-beside-a-slot-that-is-read",
        "rust/elasticq/src/lock_free/chain/mod.rs",
        "} else if full && !fits && count <= by_number.saturating_sub(first) {",
        "} else if false {",
        "loom_mpmc::a_guess_that_is_overtaken_leaves_no_producer_asleep",
    ),
    Mutant(
        "mpmc-forgets-what-is-left",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        "        unsafe { Segment::free_chain(front, head) };\n",
        "        let _ = head;\n",
        "mpmc::every_item_is_dropped_exactly_once",
    ),
    Mutant(
        "mpmc-keeps-the-segment-that-it-has-shrunk",
        "rust/elasticq/src/lock_free/mpmc/consumers.rs",
        "                    if segment.end.load(Ordering::SeqCst) != head {",
        "                    if true {",
        "burst_memory::a_look_at_an_empty_queue_leaves_no_memory_of_a_large_beginning_behind",
    ),
]
