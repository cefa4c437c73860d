"""The queue in files: what its recovery, its commits and its end rely on."""

from __future__ import annotations

from . import Mutant

FOLDER = "rust/elasticq/src/persistent"
HURT = "lib::persistent::tests::hurt"
CELL = "lib::persistent::tests::cell"
ROOT = "lib::persistent::tests::root"
TORN = "lib::persistent::tests::rescue_torn"

MUTANTS = [
    Mutant(
        "durable-goes-on-behind-a-torn-end",
        f"{FOLDER}/recover.rs",
        "let full = !closed && !rest.is_zero();",
        "let full = false;",
        f"{HURT}::nothing_older_returns_behind_a_record_that_was_written_into_a_hole",
    ),
    Mutant(
        "durable-a-producer-takes-the-room-of-the-reserve",
        f"{FOLDER}/spares.rs",
        "        if who == Who::Producer {\n            self.make_sure",
        "        if false {\n            self.make_sure",
        f"{HURT}::on_a_full_disk_consumers_go_on_also_if_the_queues_thread_has_made_no_reserve_yet",
    ),
    Mutant(
        "durable-no-record-of-a-reopening",
        f"{FOLDER}/log.rs",
        "        if tail.reopened {",
        "        if false {",
        f"{HURT}::what_was_lost_after_a_clean_close_does_not_come_back_behind_the_same_record",
    ),
    Mutant(
        "durable-loses-what-is-put-back",
        f"{FOLDER}/taking.rs",
        "        taking.state.moved(item.number, place);\n",
        "",
        "lib::persistent::tests::tasks::a_task_that_is_cancelled_while_it_waits_for_the_disk_gives_the_item_back",
    ),
    Mutant(
        "durable-at-once-passes-what-it-could-not-read",
        f"{FOLDER}/at_once.rs",
        "let end = replace(&mut reader.cursor, before);",
        "let end = reader.cursor;\n                let _ = before;",
        "lib::persistent::tests::at_once::they_take_the_items_in_order_and_lose_none",
    ),
    Mutant(
        "durable-at-once-before-those-that-came-back",
        f"{FOLDER}/at_once.rs",
        " && taking.state.ready() == 0 &&",
        " &&",
        "lib::persistent::tests::at_once::they_take_the_items_in_order_and_lose_none",
    ),
    Mutant(
        "durable-the-root-goes-back",
        f"{FOLDER}/log.rs",
        "        if number > *root {\n",
        "        if number > 0 {\n",
        f"{ROOT}::the_root_never_goes_back",
    ),
    Mutant(
        "durable-no-root-is-made-anew",
        f"{FOLDER}/recover.rs",
        "        None => root::make(storage, &names)?,\n",
        "        None => {}\n",
        f"{ROOT}::a_queue_that_was_repaired_without_its_root_gives_up_files_all_the_same",
    ),
    Mutant(
        "durable-a-root-that-is-not-opened-is-final",
        f"{FOLDER}/log.rs",
        "root::open(&*self.storage)?;",
        "root::open(&*self.storage).inspect_err(|error| failed(error.clone()))?;",
        f"{ROOT}::a_root_that_could_not_be_opened_is_written_the_next_time",
    ),
    Mutant(
        "durable-syncs-after-its-end",
        f"{FOLDER}/commit.rs",
        "            let _ = self.poison.set(BufferError::Closed);\n",
        "",
        f"{HURT}::whoever_is_on_its_way_when_a_queue_ends_writes_nothing",
    ),
    Mutant(
        "durable-any-token-will-do",
        f"{FOLDER}/leases.rs",
        "found.token == token",
        "found.token == found.token || token == 0",
        f"{HURT}::a_lease_from_before_a_restart_ends_nothing",
    ),
    Mutant(
        "durable-believes-places-behind-the-end",
        f"{FOLDER}/recover.rs",
        ".find(|&place| place > end.place)",
        ".find(|_| false)",
        "lib::persistent::tests::hostile::a_record_that_speaks_of_places_behind_the_end_is_damage",
    ),
    Mutant(
        "durable-leaves-a-gap-of-files",
        f"{FOLDER}/log.rs",
        "                self.segments.lock().insert(oldest.number(), Arc::clone(&oldest));\n",
        "",
        f"{HURT}::a_file_that_can_not_be_removed_leaves_no_gap",
    ),
    Mutant(
        "durable-syncs-without-the-pops",
        f"{FOLDER}/core.rs",
        "self.write_noted(&mut self.taking())",
        "Ok(())",
        f"{CELL}::a_sync_covers_the_pops_before_it_and_a_power_cut_undoes_only_those_behind",
    ),
    Mutant(
        "durable-believes-any-cell",
        f"{FOLDER}/cell.rs",
        "    bytes[16..].copy_from_slice(&base.to_le_bytes());\n",
        "    let _ = base;\n",
        f"{CELL}::a_word_behind_a_lost_lease_passes_nothing",
    ),
    Mutant(
        "durable-leaves-a-wrong-cell",
        f"{FOLDER}/recover.rs",
        "    tail.note(word)?;\n",
        "    let _ = word;\n",
        f"{CELL}::a_word_beyond_the_records_is_right_on_the_disk_before_a_new_item_gets_a_number_that_it_has_passed",
    ),
    Mutant(
        "durable-drops-before-the-root",
        f"{FOLDER}/compact.rs",
        "&|| self.log.begin_with(oldest, &failed)",
        "&|| Ok(())",
        f"{ROOT}::of_files_that_go_together_a_power_cut_may_leave_any",
    ),
    Mutant(
        "durable-does-not-sync-the-root-that-it-has-read",
        f"{FOLDER}/recover.rs",
        "        Some(number) => root::set(storage, &*root::open(storage)?, number)?,\n",
        "        Some(_) => {}\n",
        f"{ROOT}::a_root_that_is_only_in_memory_is_on_the_disk_before_the_next_opener_relies_on_it",
    ),
    Mutant(
        "durable-tools-keep-the-beginning-of-a-batch-that-was-cut-off",
        f"{FOLDER}/rescue/survey.rs",
        "                self.lose(&mut batch, &mut gap);\n",
        "                self.close(part, &mut batch);\n",
        f"{TORN}::what_stands_behind_a_batch_that_a_power_cut_has_torn_is_kept",
    ),
    Mutant(
        "durable-tools-keep-the-rest-of-a-batch-that-was-cut-off",
        f"{FOLDER}/rescue/survey.rs",
        "                batch.is_lost = goes_on;\n",
        "                batch.is_lost = false;\n",
        f"{TORN}::of_a_batch_that_a_kill_has_cut_off_the_tools_show_what_opening_shows",
    ),
    Mutant(
        "durable-tools-believe-a-file-behind-what-was-cut-off",
        f"{FOLDER}/rescue/survey.rs",
        "            if survey.is_cut_off {\n",
        "            if false {\n",
        f"{TORN}::what_a_record_took_that_was_cut_off_before_a_file_that_only_has_begun_is_inside",
    ),
    Mutant(
        "durable-tools-see-a-torn-end-and-no-torn-record",
        f"{FOLDER}/rescue/survey.rs",
        "                self.is_cut_off = has_joined;\n",
        "",
        f"{TORN}::what_a_record_took_that_was_cut_off_before_a_file_that_only_has_begun_is_inside",
    ),
    Mutant(
        "durable-end-leaves-files-open",
        f"{FOLDER}/files/disk/mod.rs",
        "        self.files.lock().drain(..).filter_map(|file| file.upgrade()).for_each(|file| file.close());\n",
        "",
        "lib::persistent::tests::storage::what_was_released_is_as_it_was_and_nothing_of_it_is_open",
    ),
    Mutant(
        "durable-tools-end-a-batch-where-a-head-is-lost",
        f"{FOLDER}/rescue/survey.rs",
        "head.map_or(batch.is_lost || batch.start.is_some(), |head| head.more)",
        "head.is_some_and(|head| head.more)",
        f"{TORN}::of_a_batch_that_a_kill_has_cut_off_the_tools_show_what_opening_shows",
    ),
    Mutant(
        "durable-tools-take-a-durable-batch-for-one-that-was-cut-off",
        f"{FOLDER}/rescue/survey.rs",
        "Some(true) && start.place >= self.synced)",
        "Some(true))",
        "lib::persistent::tests::rescue::a_batch_of_which_a_part_is_lost_is_saved_in_part_if_it_was_durable",
    ),
    Mutant(
        "durable-tools-take-a-file-that-has-only-begun-for-more",
        f"{FOLDER}/rescue/survey.rs",
        "only_begun = only_begun && part.has_only_begun()?;",
        "only_begun = part.segment.is_none();",
        f"{TORN}::a_batch_that_is_cut_off_before_a_file_that_only_has_begun_is_none",
    ),
    Mutant(
        "durable-tools-keep-what-an-opener-has-given-up",
        f"{FOLDER}/rescue/batch.rs",
        " || batch.start.is_some_and(|start| next.follows(&start))",
        "",
        f"{TORN}::of_a_batch_that_a_kill_has_cut_off_the_tools_show_what_opening_shows",
    ),
    Mutant(
        "durable-writes-the-first-bytes-last",
        f"{FOLDER}/files/mapped.rs",
        "for piece in bytes[..bytes.len().min(FIRST)]",
        "for piece in bytes[..0]",
        "lib::persistent::files::mapped::tests::the_first_bytes_of_a_write_are_there_before_any_other",
    ),
]
