"""Many items at once, looking without taking, and counters that the test's own ledger confirms."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import pytest
from support import Threads, wait_until_asleep

from elasticq import Empty, Full, Queue, ShutDown


class OwnIterable:
    """An iterable without a length."""

    def __init__(self, items: Iterable[int]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[int]:
        return iter(self.items)


class OwnList(list[int]):
    """A list with an `__iter__` of its own."""

    def __iter__(self) -> Iterator[int]:
        return reversed(list(super().__iter__()))


KINDS: dict[str, Callable[[list[int]], Iterable[int]]] = {
    "list": list,
    "tuple": tuple,
    "generator": lambda items: (item for item in items),
    "iterator": iter,
    "dict": dict.fromkeys,
    "iterable": OwnIterable,
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("block", [True, False])
@pytest.mark.parametrize("maxsize", [0, 1000])
@pytest.mark.parametrize("count", [0, 1, 64, 65, 1000])
def test_put_many_takes_any_iterable(
    kind: Callable[[list[int]], Iterable[int]], block: bool, maxsize: int, count: int
) -> None:
    q: Queue[int] = Queue(maxsize)
    items = list(range(count))
    q.put_many(kind(items), block)
    assert len(q) == count
    assert list(q) == items
    assert q.drain() == items


def test_put_many_respects_what_a_subclass_of_list_iterates_over() -> None:
    q: Queue[int] = Queue()
    q.put_many(OwnList([1, 2, 3]))
    assert q.drain() == [3, 2, 1]


def test_put_many_takes_a_queue_as_it_stands() -> None:
    q: Queue[int] = Queue()
    q.put_many([1, 2])
    q.put_many(q)
    assert q.drain() == [1, 2, 1, 2]


@pytest.mark.parametrize("items", [None, 1, object()])
def test_put_many_of_something_else_is_a_type_error(items: Any) -> None:
    q: Queue[int] = Queue()
    with pytest.raises(TypeError, match="not iterable"):
        q.put_many(items)
    assert len(q) == 0


@pytest.mark.parametrize("maxsize", [0, 2])
@pytest.mark.parametrize("block", [True, False])
def test_put_many_adds_nothing_when_the_iterable_raises(maxsize: int, block: bool) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("broken")

    q: Queue[int] = Queue(maxsize)
    q.put(0)
    with pytest.raises(LookupError, match="broken"):
        q.put_many(broken(), block)
    assert list(q) == [0]
    assert q.stats().messages_enqueued == 1


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_put_many_that_does_not_block_adds_all_or_nothing(
    kind: Callable[[list[int]], Iterable[int]],
) -> None:
    q: Queue[int] = Queue(5)
    q.put_many([1, 2])
    with pytest.raises(Full) as error:
        q.put_many(kind([3, 4, 5, 6]), block=False)
    assert error.value.remaining == [3, 4, 5, 6]
    assert list(q) == [1, 2]
    q.put_many(kind([3, 4, 5]), block=False)
    assert list(q) == [1, 2, 3, 4, 5]
    assert q.stats().messages_refused == 4


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_put_many_cut_short_by_its_timeout_says_what_remains(
    kind: Callable[[list[int]], Iterable[int]],
) -> None:
    q: Queue[int] = Queue(5)
    q.put_many([1, 2])
    with pytest.raises(Full) as error:
        q.put_many(kind([3, 4, 5, 6, 7]), timeout=0.001)
    assert error.value.remaining == [6, 7]
    assert q.drain() == [1, 2, 3, 4, 5]
    q.put_many(error.value.remaining)  # type: ignore[arg-type]
    assert q.drain() == [6, 7]
    assert q.stats().messages_refused == 2


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_put_many_larger_than_the_queue_goes_in_pieces(
    kind: Callable[[list[int]], Iterable[int]], threads: Threads
) -> None:
    q: Queue[int] = Queue(3)
    threads.start(q.put_many, kind(list(range(100))))
    assert [q.get() for _ in range(100)] == list(range(100))


def test_put_many_cut_short_by_a_shutdown_says_what_remains(threads: Threads) -> None:
    q: Queue[int] = Queue(2)
    remaining: list[object] = []

    def put() -> None:
        with pytest.raises(ShutDown) as error:
            q.put_many([1, 2, 3, 4])
        remaining.extend(error.value.remaining)

    putter = threads.start(put)
    wait_until_asleep(putter)
    q.shutdown()
    threads.join()
    assert (q.drain(), remaining) == ([1, 2], [3, 4])


def test_put_many_on_a_queue_that_was_shut_down_adds_nothing() -> None:
    q: Queue[int] = Queue()
    q.shutdown()
    for items in ([1, 2], (1, 2), iter([1, 2])):
        with pytest.raises(ShutDown) as error:
            q.put_many(items)
        assert error.value.remaining == [1, 2]
    assert len(q) == 0


def test_a_batch_stays_together_where_there_is_room_for_it(threads: Threads) -> None:
    q: Queue[int] = Queue()

    def put(me: int) -> None:
        for _ in range(500):
            q.put_many([me] * 10)

    for me in range(4):
        threads.start(put, me)
    threads.join()
    batches = [q.get_many(10) for _ in range(2000)]
    assert all(len(set(batch)) == 1 for batch in batches)


def test_get_many_takes_what_is_there_up_to_n() -> None:
    q: Queue[int] = Queue()
    q.put_many(range(10))
    assert q.get_many(3) == [0, 1, 2]
    assert q.get_many(n=2, block=True, timeout=None) == [3, 4]
    assert q.get_many(1, False) == [5]
    assert q.get_many(100) == [6, 7, 8, 9]
    q.put_many(range(3))
    assert q.get_many() == [0, 1, 2]
    q.put_many(range(3))
    assert q.get_many(10**30) == [0, 1, 2]


def test_get_many_waits_for_the_first_item_only(threads: Threads) -> None:
    q: Queue[int] = Queue()
    taken: list[list[int]] = []
    getter = threads.start(lambda: taken.append(q.get_many(1000)))
    wait_until_asleep(getter)
    q.put(1)
    threads.join()
    assert taken == [[1]]


@pytest.mark.parametrize("arguments", [(5, False), (5, True, 0), (None, True, 0.001)])
def test_get_many_of_an_empty_queue_raises_empty(arguments: tuple[Any, ...]) -> None:
    q: Queue[int] = Queue()
    with pytest.raises(Empty):
        q.get_many(*arguments)


def test_drain_takes_everything_and_gives_the_memory_back() -> None:
    q: Queue[int] = Queue()
    smallest = q.capacity
    assert q.drain() == []
    q.put_many(range(10_000))
    assert q.capacity >= 10_000
    assert q.drain() == list(range(10_000))
    assert (len(q), q.capacity, q.unfinished_tasks) == (0, smallest, 10_000)
    q.put(1)
    assert q.get() == 1


def test_clear_drops_everything_and_counts_it_as_done() -> None:
    q: Queue[int] = Queue()
    assert q.clear() == 0
    q.put_many(range(10))
    q.get()
    assert (q.clear(), len(q), q.unfinished_tasks) == (9, 0, 1)
    q.task_done()
    q.join()


@pytest.mark.parametrize("empty", [Queue.drain, Queue.clear], ids=["drain", "clear"])
def test_emptying_a_full_queue_wakes_those_who_wait_for_room(
    empty: Callable[[Queue[int]], object], threads: Threads
) -> None:
    q: Queue[int] = Queue(3)
    q.put_many([0, 0, 0])
    putters = [threads.start(q.put, 1) for _ in range(3)]
    for putter in putters:
        wait_until_asleep(putter)
    empty(q)
    threads.join()
    assert q.drain() == [1, 1, 1]


def test_peek_looks_and_does_not_take() -> None:
    q: Queue[Any] = Queue()
    with pytest.raises(Empty):
        q.peek()
    first = object()
    q.put_many([first, 2])
    assert q.peek() is first
    assert q.peek() is first
    assert len(q) == 2
    q.shutdown()
    assert (q.get() is first, q.peek(), q.get()) == (True, 2, 2)
    with pytest.raises(ShutDown):
        q.peek()


def test_iteration_looks_at_one_moment_and_does_not_take() -> None:
    q: Queue[int] = Queue()
    q.put_many(range(5))
    snapshot = iter(q)
    assert next(snapshot) == 0
    q.get()
    q.put(5)
    assert list(snapshot) == [1, 2, 3, 4]
    assert list(q) == list(q) == [1, 2, 3, 4, 5]
    assert (3 in q, 0 in q) == (True, False)


def test_consume_takes_until_the_queue_is_shut_down_and_empty(threads: Threads) -> None:
    q: Queue[int] = Queue(4)
    taken: list[list[int]] = []
    for _ in range(3):
        threads.start(lambda: taken.append(list(q.consume())))
    q.put_many(range(1000))
    q.shutdown()
    threads.join()
    assert sorted(chain.from_iterable(taken)) == list(range(1000))
    assert all(part == sorted(part) for part in taken)
    assert list(q.consume()) == []


@pytest.mark.parametrize("maxsize", [0, 100])
def test_the_counters_agree_with_a_ledger(maxsize: int, seeded: random.Random) -> None:
    q: Queue[int] = Queue(maxsize)
    put = taken = dropped = refused = peak = size = 0
    for _ in range(5000):
        count = seeded.randrange(1, 40)
        match seeded.randrange(8):
            case 0 | 1:
                before, put, size = put, put + count, size + count
                if maxsize and size > maxsize:
                    put, size, refused = before, size - count, refused + count
                    with pytest.raises(Full):
                        q.put_many([0] * count, block=False)
                else:
                    q.put_many([0] * count, block=False)
            case 2 | 3:
                if size == maxsize > 0:
                    refused += 1
                    with pytest.raises(Full):
                        q.put(0, timeout=0)
                else:
                    q.put(0)
                    put, size = put + 1, size + 1
            case 4 | 5 if size:
                got = len(q.get_many(count))
                taken, size = taken + got, size - got
            case 6 if size:
                q.get()
                taken, size = taken + 1, size - 1
            case 7 if count == 1:
                if seeded.random() < 0.5:
                    assert q.clear() == size
                    dropped += size
                else:
                    assert len(q.drain()) == size
                    taken += size
                size = 0
        peak = max(peak, size)
        stats = q.stats()
        assert stats.messages_enqueued == put
        assert stats.messages_dequeued == taken
        assert (stats.messages_dropped, stats.messages_refused) == (dropped, refused)
        assert (stats.current_size, stats.peak_size, stats.current_capacity) == (size, peak, q.capacity)
        assert len(q) == q.qsize() == size <= q.capacity
    assert stats.grown > 0
    assert stats.shrunk > 0


def test_stats_are_a_value() -> None:
    q: Queue[int] = Queue()
    before = q.stats()
    assert before == q.stats()
    assert hash(before) == hash(q.stats())
    q.put(1)
    assert before != q.stats()
    assert before.messages_enqueued == 0
    assert "messages_enqueued=1" in repr(q.stats())
