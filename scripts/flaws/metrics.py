"""What an exporter is told of a queue."""

from __future__ import annotations

from . import Mutant

METRICS = "rust/elasticq/src/metrics"
SERIES = f"{METRICS}/series.rs"
READING = f"{METRICS}/reading.rs"
PROBE = f"{METRICS}/probe.rs"
BORROWED = f"{METRICS}/borrowed.rs"
INSTRUMENTED = f"{METRICS}/instrumented.rs"
REPORT = "rust/elasticq/src/buffer/report.rs"

LEDGER = "metrics::locked::what_is_exported_equals_the_ledger"
ANEW = "metrics::a_buffer_that_begins_anew_is_counted_on"
BORROWS = "metrics::locked::a_borrowed_buffer_counts_as_an_owned_one"
FAILS = "metrics::an_exporter_that_panics_harms_no_call"
WAITS = "metrics::who_waits_is_shown"
FULL = "metrics::producers_that_wait_for_room_are_shown_and_their_time_counts_once"
SYNCS = "metrics_durable::the_syncs_and_how_long_they_took_are_exported"
STAYS = "metrics_durable::what_a_queue_has_counted_stays_when_it_is_finished_and_when_it_goes"
NOTES = "lib::metrics::reading::tests::the_number_of_notes_is_bounded_and_the_bound_holds"
PATTERNS = "lib::metrics::probe::tests::so_many_calls_are_timed_whatever_their_pattern"

MUTANTS = [
    Mutant(
        "metrics-what-is-inside-at-first-never-came",
        SERIES,
        "        before.enqueued -= before.depth();\n",
        "",
        BORROWS,
    ),
    Mutant(
        "metrics-what-was-inside-at-a-new-beginning-is-forgotten",
        SERIES,
        "            counted.dropped += counted.depth();\n",
        "",
        ANEW,
    ),
    Mutant(
        "metrics-refusals-before-a-new-beginning-count-twice",
        SERIES,
        "Totals { refused: seen.refused, ..Totals::default() }",
        "Totals::default()",
        ANEW,
    ),
    Mutant(
        "metrics-what-goes-with-its-buffer-counts-as-taken",
        SERIES,
        "            totals.dropped += inside;\n",
        "            totals.dequeued += inside;\n",
        LEDGER,
    ),
    Mutant(
        "metrics-what-is-in-files-counts-as-dropped",
        INSTRUMENTED,
        " && !self.buffer.waits_for_disk()",
        "",
        "metrics_durable::what_is_in_files_is_not_dropped_with_its_queue",
    ),
    Mutant(
        "metrics-a-recorder-that-goes-drops-what-others-hold",
        INSTRUMENTED,
        "Arc::strong_count(&self.buffer) == 1 && ",
        "",
        "metrics::what_others_still_hold_is_not_dropped_with_its_recorder",
    ),
    Mutant(
        "metrics-each-that-borrows-a-buffer-counts-it",
        SERIES,
        "                && *known == address\n",
        "                && *known == address\n                && *holders == 0\n",
        BORROWS,
    ),
    Mutant(
        "metrics-the-first-that-lets-a-buffer-go-lets-it-go-for-all",
        SERIES,
        "if goes && *holders == 1 {",
        "if goes {",
        BORROWS,
    ),
    Mutant(
        "metrics-a-borrowed-buffer-shows-what-it-was-at-first",
        SERIES,
        "                *holders -= usize::from(goes);\n                *last = now;\n",
        "                *holders -= usize::from(goes);\n",
        BORROWS,
    ),
    Mutant(
        "metrics-the-last-buffer-of-a-name-hides-the-others",
        READING,
        "        self.totals = self.totals.plus(totals);\n",
        "        self.totals = totals;\n",
        "metrics::buffers_of_one_name_add_up",
    ),
    Mutant(
        "metrics-each-flush-adds-to-the-counters",
        f"{METRICS}/catalog.rs",
        ".absolute(sum)",
        ".increment(sum)",
        LEDGER,
    ),
    Mutant(
        "metrics-utilization-is-by-the-memory-of-now",
        SERIES,
        "depth / sum.max_capacity as f64",
        "depth / sum.capacity as f64",
        "metrics::utilization_is_by_the_most_that_a_queue_may_hold",
    ),
    Mutant(
        "metrics-an-age-is-a-lower-bound",
        READING,
        "self.notes.get(1).is_some_and(|(count, _)| *count <= gone)",
        "self.notes.len() > 1 && self.notes[0].0 <= gone",
        "lib::metrics::reading::tests::an_age_is_an_upper_bound_and_right_to_one_note",
    ),
    Mutant(
        "metrics-notes-are-kept-for-ever",
        READING,
        "self.notes.len() > Self::MOST",
        "self.notes.len() > Self::MOST && gone == come",
        NOTES,
    ),
    Mutant(
        "metrics-the-note-of-the-oldest-item-is-thinned-away",
        READING,
        "place % 2 == 1",
        "place % 2 == 0",
        NOTES,
    ),
    Mutant(
        "metrics-the-oldest-notes-make-room-for-new-ones",
        READING,
        "            let mut place = 0;\n            self.notes.retain(|_| {\n                place += 1;\n                place % 2 == 1\n            });\n",
        "            self.notes.pop_front();\n",
        NOTES,
    ),
    Mutant(
        "metrics-few-of-the-calls-looked-at-are-timed",
        PROBE,
        "(((u32::MAX as u64) * GAP as u64) / calls as u64) as u32",
        "u32::MAX / calls",
        PATTERNS,
    ),
    Mutant(
        "metrics-looks-come-at-a-fixed-pace",
        PROBE,
        "walk() % (2 * GAP - 1)",
        "GAP - 1",
        PATTERNS,
    ),
    Mutant(
        "metrics-one-that-times-all-takes-the-turns-of-others",
        PROBE,
        "else { left.wrapping_add(ALL) }",
        "else { 0 }",
        "lib::metrics::probe::tests::a_recorder_that_times_all_calls_takes_no_turn_from_one_that_times_few",
    ),
    Mutant(
        "metrics-one-that-is-enabled-again-samples-as-by-default",
        f"{METRICS}/recorder.rs",
        "if enabled { self.calls.load(Ordering::Relaxed) }",
        "if enabled { Self::DEFAULT_SAMPLING }",
        "metrics::every_call_is_timed_if_asked_and_none_if_not",
    ),
    Mutant(
        "metrics-a-batch-counts-as-one-item",
        f"{METRICS}/recorded.rs",
        "pub PopBatch: pop_batch(",
        "pub Pop: pop_batch(",
        "metrics::every_call_is_timed_if_asked_and_none_if_not",
    ),
    Mutant(
        "metrics-an-exporter-that-panics-ends-the-call",
        PROBE,
        "        if catch_unwind(AssertUnwindSafe(|| self.series.record(operation, took))).is_err() {\n            self.sampling.set(0);\n        }\n",
        "        self.series.record(operation, took);\n",
        FAILS,
    ),
    Mutant(
        "metrics-an-exporter-that-panics-is-asked-at-each-call",
        PROBE,
        "            self.sampling.set(0);\n",
        "",
        "metrics::an_exporter_that_panics_is_not_asked_again_by_calls",
    ),
    Mutant(
        "metrics-an-exporter-that-panics-does-so-where-a-buffer-is-let-go",
        BORROWED,
        "        let _ = catch_unwind(AssertUnwindSafe(|| self.probe.series.flush()));\n",
        "        self.probe.series.flush();\n",
        FAILS,
    ),
    Mutant(
        "metrics-a-panic-over-one-queue-hides-the-others",
        SERIES,
        "panicked.or(catch_unwind(AssertUnwindSafe(|| series.flush())).err())",
        "panicked.or_else(|| catch_unwind(AssertUnwindSafe(|| series.flush())).err())",
        "metrics::an_exporter_that_panics_over_one_queue_is_told_of_the_others",
    ),
    Mutant(
        "metrics-durations-go-to-the-first-exporter-for-ever",
        SERIES,
        "        self.flushes.fetch_add(1, Ordering::Release);\n",
        "",
        "metrics::durations_go_to_the_exporter_that_is_there_after_a_flush",
    ),
    Mutant(
        "metrics-a-rare-figure-is-not-told-when-it-is-zero-again",
        SERIES,
        "figure > 0 || self.is_told.load(Ordering::Relaxed)",
        "figure > 0",
        WAITS,
    ),
    Mutant(
        "metrics-a-rare-figure-is-told-from-the-first-flush-on",
        SERIES,
        "figure > 0 || self.is_told.load(Ordering::Relaxed)",
        "true",
        WAITS,
    ),
    Mutant(
        "metrics-those-that-wait-are-shown-at-the-other-end",
        SERIES,
        "[sum.item.threads, sum.item.tasks, sum.room.threads, sum.room.tasks]",
        "[sum.room.threads, sum.room.tasks, sum.item.threads, sum.item.tasks]",
        WAITS,
    ),
    Mutant(
        "metrics-producers-are-read-off-the-consumers-end",
        READING,
        "waiting_for_room: buffer.waiting_for_room()",
        "waiting_for_room: buffer.waiting_for_item()",
        FULL,
    ),
    Mutant(
        "metrics-each-flush-counts-a-wait-from-its-beginning",
        SERIES,
        "waiting.longest.unwrap_or(since).min(since)",
        "waiting.longest.unwrap_or(since)",
        FULL,
    ),
    Mutant(
        "metrics-of-those-that-wait-one-counts",
        SERIES,
        "u32::try_from(waiting.threads + waiting.tasks).unwrap_or(u32::MAX)",
        "u32::from(waiting.threads + waiting.tasks > 0)",
        FULL,
    ),
    Mutant(
        "metrics-levels-are-one",
        READING,
        "let place = (figure.what as u8, figure.level);",
        "let place = (figure.what as u8, None);",
        "metrics::levels_have_figures_of_their_own",
    ),
    Mutant(
        "metrics-the-times-of-syncs-are-not-added",
        REPORT,
        "            Self::LongestSyncNanoseconds => one.max(other),\n",
        "            Self::SyncNanoseconds | Self::LongestSyncNanoseconds => one.max(other),\n",
        SYNCS,
    ),
    Mutant(
        "metrics-the-longest-syncs-are-added",
        REPORT,
        "            Self::LongestSyncNanoseconds => one.max(other),\n",
        "",
        SYNCS,
    ),
    Mutant(
        "metrics-a-finished-queue-takes-its-figures-along",
        SERIES,
        "            gone.add(seen.iter().filter(|seen| seen.value > figure.value));\n",
        "            let _ = (seen, &mut *gone);\n",
        STAYS,
    ),
    Mutant(
        "metrics-a-queue-that-goes-takes-its-figures-along",
        SERIES,
        "        self.gone.figures.add(growing(&last.figures));\n",
        "",
        STAYS,
    ),
    Mutant(
        "metrics-the-longest-sync-stays-when-the-queue-is-gone",
        SERIES,
        "        self.gone.figures.add(growing(&last.figures));\n",
        "        self.gone.figures.add(&last.figures);\n",
        STAYS,
    ),
]
