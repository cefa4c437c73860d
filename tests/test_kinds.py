"""The table of kinds has every class of queues and every view, and says the truth about each."""

from __future__ import annotations

import asyncio

import pytest
from kinds import ALL, BOUNDED, IN_FILES, KINDS, LOG_IN_MEMORY, PLAIN, VIEWS, Kind, has_moved
from support import Threads, wait_until_asleep

import elasticq
from elasticq import (
    Config,
    DeadLetter,
    Lease,
    PersistentStats,
    PriorityConfig,
    PriorityStats,
    QueueStats,
    SyncMode,
    Waiters,
    Waiting,
)

NO_QUEUES: set[type] = {
    Config,
    DeadLetter,
    Lease,
    PersistentStats,
    PriorityConfig,
    PriorityStats,
    QueueStats,
    SyncMode,
    Waiters,
    Waiting,
}
each = pytest.mark.parametrize("kind", ALL)
each_in_memory = pytest.mark.parametrize("kind", KINDS)


def test_every_public_class_is_a_kind_a_view_an_error_or_listed_here() -> None:
    public = {value for name in elasticq.__all__ if isinstance(value := getattr(elasticq, name), type)}
    errors = {cls for cls in public if issubclass(cls, BaseException)}
    assert {type(kind.make()) for kind in (*ALL, *VIEWS)} == public - errors - NO_QUEUES


def test_every_class_has_a_kind_without_special_settings() -> None:
    assert {kind.cls for kind in PLAIN} == {kind.cls for kind in KINDS}
    assert len({kind.name for kind in (*ALL, *VIEWS)}) == len(ALL) + len(VIEWS)


@each
def test_its_calls_put_and_take(kind: Kind) -> None:
    queue = kind.make()
    kind.put(queue, 1)
    kind.put_many(queue, [2, 3])
    assert (len(queue), sorted(queue)) == (3, [1, 2, 3])
    assert sorted([kind.get(queue), *kind.get_many(queue, 5)]) == [1, 2, 3]


@each_in_memory
def test_it_holds_no_more_than_its_limit(kind: Kind) -> None:
    queue = kind.make(2)
    assert [queue._offer(number) for number in range(3)] == [True, True, not kind.bounded]


@each
def test_its_plain_calls_wait(kind: Kind, threads: Threads) -> None:
    queue = kind.make()
    taken: list[object] = []
    wait_until_asleep(threads.start(lambda: taken.append(kind.get(queue))))
    kind.put(queue, "item")
    threads.join()
    assert taken == ["item"]


@pytest.mark.parametrize("kind", [*BOUNDED, IN_FILES, LOG_IN_MEMORY])
@pytest.mark.parametrize("many", [False, True])
def test_it_waits_for_room_as_the_table_says(kind: Kind, many: bool, threads: Threads) -> None:
    queue = kind.make(1)
    kind.put(queue, "old")
    if many and kind.calls.batches == "never":
        with pytest.raises(elasticq.Full):
            kind.put_many(queue, ["new"])
        return
    put = threads.start(kind.put_many, queue, ["new"]) if many else threads.start(kind.put, queue, "new")
    wait_until_asleep(put)
    assert kind.get(queue) == "old"
    threads.join()
    assert kind.get(queue) == "new"


@each
def test_a_timeout_is_an_argument_or_a_setting(kind: Kind) -> None:
    queue = kind.make(None, 0.001)
    with pytest.raises((elasticq.Empty, elasticq.Timeout)):
        kind.get(queue, **({"timeout": 0.001} if kind.calls.take_timeouts else {}))


@each
def test_tasks_put_and_take(kind: Kind) -> None:
    async def main() -> object:
        queue = kind.make()
        await queue.aput("item")
        return await queue.aget()

    assert asyncio.run(main()) == "item"


@each
def test_it_consists_of_pythons_locks_or_not(kind: Kind) -> None:
    assert has_moved(kind.make()) == kind.standard
